"""Driving `resprout` from outside, as its users do: by its command line and the ids of its processes."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import asyncpg
import psutil

from . import command_line

RESPROUT = [sys.executable, "-m", "resprout.runtime.cli"]
TEMPORAL = str(Path(sys.executable).parent / "temporal")
PATIENCE_SECONDS = 90.0

# For hosts that shall live on when the machine is slow. One that is killed still loses its shards at once.
LONG_LEASE = {"RESPROUT_HOSTS_LEASE_SECONDS": "15"}

Result = subprocess.CompletedProcess[str]


def resprout(
    *words: str, env: Mapping[str, str] | None = None, wrap: list[str] | None = None, cwd: Path | None = None
) -> Result:
    environment, directory = {**clean_environment(), **(env or {})}, cwd or Path(tempfile.gettempdir())
    if wrap is None:
        return command_line.run(words, environment, directory, PATIENCE_SECONDS * 2)
    return subprocess.run(
        [*wrap, *RESPROUT, *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS * 2,
        env=environment,
        cwd=directory,
        check=False,
    )


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RESPROUT_")}


def eventually(condition: Callable[[], Any], what: str, patience: float = PATIENCE_SECONDS) -> Any:
    """Waits until the condition gives something true, and returns it."""
    deadline = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {patience:.0f} s: {what}"
        time.sleep(0.1)
    return value


def read_until(stream: IO[str] | None, *words: str) -> str:
    """What a process says until it has said all of them."""
    assert stream is not None
    said = ""
    while not all(word in said for word in words):
        line = stream.readline()
        assert line, f"it ended before it said {words}: {said}"
        said += line
    return said


class Stack:
    """A stack of its own in a data directory of its own."""

    def __init__(self, data_dir: Path, env: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self.env = dict(env or {})

    def __call__(self, *words: str) -> Result:
        return resprout(*words, "--data-dir", str(self.data_dir), env=self.env)

    def up(self, *words: str) -> None:
        done = self("up", "--detach", *words)
        assert done.returncode == 0, done.stdout + done.stderr

    def down(self) -> Result:
        return self("down")

    def status(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self("status", "--json").stdout)
        return report

    def service(self, name: str) -> dict[str, Any]:
        return next(service for service in self.status()["services"] if service["name"] == name)

    def pid(self, name: str) -> int:
        """Between two processes of it, that of the second."""
        return int(eventually(lambda: self.service(name)["pid"], f"a process of {name}"))

    def host_pids(self) -> list[int]:
        """Of those that are in the last report and have not ended since."""
        reported = [int(instance["pid"]) for instance in self.service("hosts")["instances"]]
        return [pid for pid in reported if psutil.pid_exists(pid)]

    def host_pid(self) -> int:
        """Between two processes of the one host, that of the second."""
        (pid,) = eventually(self.host_pids, "a host process")
        return int(pid)

    def wait_for_another_host(self, than: int) -> None:
        eventually(lambda: (pids := self.host_pids()) and than not in pids, "another host process")

    def wait_healthy(self) -> None:
        eventually(lambda: self.status()["healthy"], "the stack is healthy")

    def hello(self, **inputs: Any) -> dict[str, Any]:
        words = [word for name, value in inputs.items() for word in ("-i", f"{name}={value}")]
        done = self("run", "hello", "--json", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(done.stdout)["result"]
        return result

    def host_log(self) -> str:
        return self("logs", "host-0", "-n", "1000").stdout

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*RESPROUT, *words, "--data-dir", str(self.data_dir)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**clean_environment(), **self.env},
        )

    def host_restarts(self) -> int:
        """Of all hosts. One that stands still for longer than its lease, on a machine that is too busy, ends itself,
        and its calls are made again like those of one that was killed."""
        return sum(int(instance["restarts"]) for instance in self.service("hosts")["instances"])

    def start_hello(self, **inputs: Any) -> "subprocess.Popen[str]":
        words = [word for name, value in inputs.items() for word in ("-i", f"{name}={value}")]
        return self.start("run", "hello", "--json", *words)

    def temporal(self, *words: str) -> Result:
        address = self.status()["endpoints"]["temporal.address"]
        return subprocess.run(
            [TEMPORAL, *words, "--address", address], capture_output=True, text=True, timeout=60, check=False
        )

    def sql(self, query: str) -> list[Any]:
        async def run() -> list[Any]:
            connection = await asyncpg.connect(self.status()["endpoints"]["postgres.dsn"])
            try:
                return [tuple(row) for row in await connection.fetch(query)]
            finally:
                await connection.close()

        with ThreadPoolExecutor(1) as thread:  # the test may have a loop of its own
            return thread.submit(lambda: asyncio.run(run())).result()

    def gateway(self) -> str:
        return str(self.service("gateway")["endpoint"])

    def processes(self) -> list[psutil.Process]:
        """Every process that carries this stack's mark, and its Postgres."""
        found = []
        for process in psutil.process_iter():
            try:
                marked = process.environ().get("RESPROUT_STACK") == str(self.data_dir.resolve())
                if marked or str(self.data_dir) in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def listening(self) -> list[int]:
        ports = self.status().get("ports", {}).values()
        return [port for port in ports if is_listening(port)]


@contextmanager
def stack_of(env: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """One that is not up yet, and is down in the end, with nothing left of it."""
    with open_directory() as directory:
        stack = Stack(directory / "data", env)
        try:
            yield stack
        finally:
            stack.down()


@contextmanager
def open_directory() -> Iterator[Path]:
    """As root, Postgres runs as another user, who must be able to enter."""
    directory = Path(tempfile.mkdtemp(prefix="resprout-test-"))
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def is_listening(port: int) -> bool:
    return any(
        c.laddr and c.laddr.port == port and c.status == psutil.CONN_LISTEN for c in psutil.net_connections("tcp")
    )


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """One may end before its turn comes, as the children of a supervisor do when it is killed."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
