"""The parts alone, on a Ray cluster that somebody else started and a Postgres and Temporal that stand elsewhere."""

import json
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
from support.stack import LONG_LEASE, RESPROUT, TEMPORAL, Stack, clean_environment, eventually, resprout

TASK_QUEUE = "parts"


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Part:
    """One `resprout` command in the foreground, with what it writes."""

    def __init__(self, *words: str, env: dict[str, str]) -> None:
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in `end`
        self.process = subprocess.Popen(
            [*RESPROUT, *words], env={**clean_environment(), **env}, stdout=self.log, stderr=self.log, cwd="/"
        )

    def words(self) -> str:
        self.log.seek(0)
        return self.log.read()

    def wait_for(self, word: str) -> None:
        eventually(lambda: word in self.words() or self.process.poll() is not None, word)
        assert self.process.poll() is None, self.words()

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=60)
        finally:
            self.process.kill()
            self.process.wait()
            if not self.log.closed:
                self.said = self.words()
                self.log.close()


@pytest.fixture
def foreign_ray() -> Iterator[str]:
    """A Ray head as an operator would start it, not by us and not with our settings."""
    port = free_port()
    address = f"127.0.0.1:{port}"
    environ = {**clean_environment(), "RAY_AUTH_MODE": "disabled", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as directory:
        head = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", f"--port={port}",
             "--node-ip-address=127.0.0.1", f"--temp-dir={directory}", "--include-dashboard=false",
             "--min-worker-port=0", "--max-worker-port=0", "--dashboard-agent-listen-port=0",
             "--disable-usage-stats", "--object-store-memory=100000000"],
            env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            eventually(lambda: any(Path(directory).glob("session_latest/sockets/raylet*")), "the Ray head is up")
            yield address
        finally:
            head.terminate()
            head.wait(timeout=60)


@pytest.fixture
def environment(stack: Stack, foreign_ray: str) -> dict[str, str]:
    endpoints = stack.status()["endpoints"]
    return {
        "RESPROUT_POSTGRES_DSN": endpoints["postgres.dsn"],
        "RESPROUT_TEMPORAL_ADDRESS": endpoints["temporal.address"],
        "RESPROUT_TEMPORAL_TASK_QUEUE": TASK_QUEUE,
        "RESPROUT_RAY_ADDRESS": foreign_ray,
        "RESPROUT_DATA_DIR": "/nonexistent",
        "RESPROUT_RAY_LOOPBACK": "true",
        **LONG_LEASE,  # as the other hosts at this database
    }


def test_hosts_worker_and_gateway_run_alone_and_drain_on_sigterm(environment: dict[str, str]) -> None:
    with ExitStack() as parts:
        join = Part("join", "--hosts", "2", env=environment)
        parts.callback(join.end)
        join.wait_for("hosts ready")
        worker = Part("worker", env=environment)
        parts.callback(worker.end)
        worker.wait_for("worker ready")
        port = free_port()
        gateway = Part("gateway", "--port", str(port), env=environment)
        parts.callback(gateway.end)
        gateway.wait_for("gateway ready")
        name = uuid4().hex

        done = resprout("run", "hello", "--json", "-i", f"name={name}", env=environment)

        assert json.loads(done.stdout)["result"]["times"] == 1, done.stderr
        hosts = [p for p in psutil.process_iter(["name"]) if p.info["name"].startswith("ray::Host")]
        assert len(hosts) >= 3, "two of ours beside the one of the shared stack"
        parts.pop_all()
        for part in (gateway, worker, join):
            assert part.end() == 0


def test_a_worker_that_is_told_to_end_lets_its_activity_finish(environment: dict[str, str]) -> None:
    join = Part("join", env=environment)
    worker = Part("worker", env=environment)
    join.wait_for("hosts ready")
    worker.wait_for("worker ready")
    name = a_run_in_its_turn(environment)

    assert worker.end() == 0

    second = Part("worker", env=environment)
    again = resprout("run", "hello", "--json", "-i", f"name={name}", env=environment)
    assert json.loads(again.stdout)["result"]["times"] == 2
    assert second.end() == 0
    assert join.end() == 0


def a_run_in_its_turn(environment: dict[str, str]) -> str:
    """Its id, which is the name of its greeter. Its turn is shorter than the grace, and may be over before it is seen:
    then another run is tried."""
    return str(eventually(lambda: _run_seen_in_its_turn(environment), "a run is in its turn"))


def _run_seen_in_its_turn(environment: dict[str, str]) -> str | None:
    name = uuid4().hex
    run = resprout(
        "run", "hello", "--detach", "--id", name, "-i", f"name={name}", "-i", "think_seconds=4", env=environment
    )
    assert run.returncode == 0, run.stderr
    describe = [TEMPORAL, "workflow", "describe", "--workflow-id", name, "-o", "json"]
    describe += ["--address", environment["RESPROUT_TEMPORAL_ADDRESS"]]

    def state() -> str | None:
        said = subprocess.run(describe, capture_output=True, text=True, timeout=60, check=False).stdout
        return next((word for word in ("ACTIVITY_STATE_STARTED", "STATUS_COMPLETED") if word in said), None)

    return name if eventually(state, "the agent is asked") == "ACTIVITY_STATE_STARTED" else None


def test_hosts_without_their_ray_cluster_say_so_and_end(environment: dict[str, str]) -> None:
    done = resprout("join", "--ray-address", f"127.0.0.1:{free_port()}", env=environment)

    assert done.returncode == 3
    assert "no Ray head answers" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_stack_uses_the_servers_that_it_is_told_of(stack: Stack, own_stack: Stack) -> None:
    endpoints = stack.status()["endpoints"]
    own_stack.up(
        "--postgres-dsn", endpoints["postgres.dsn"], "--temporal-address", endpoints["temporal.address"],
        "--set", f"temporal.task_queue={TASK_QUEUE}-2",
    )  # fmt: skip

    report = own_stack.status()

    assert {s["name"] for s in report["services"] if s["external"]} == {"postgres", "temporal"}
    ours = {"ray", "model-server", "hosts", "worker", "gateway"}
    assert {s["name"] for s in report["services"] if s["pid"]} == ours
    done = own_stack(
        "run", "hello", "--json", "--set", f"postgres.dsn={endpoints['postgres.dsn']}",
        "--set", f"temporal.address={endpoints['temporal.address']}", "--set", f"temporal.task_queue={TASK_QUEUE}-2",
    )  # fmt: skip
    assert "Hello" in json.loads(done.stdout)["result"]["greeting"], done.stderr


def test_hosts_that_are_told_to_end_finish_the_turn_in_flight(stack: Stack, environment: dict[str, str]) -> None:
    with ExitStack() as parts:
        join, worker = Part("join", env=environment), Part("worker", env=environment)
        parts.callback(worker.end)
        join.wait_for("hosts ready")
        worker.wait_for("worker ready")
        name = a_run_in_its_turn(environment)

        assert join.end() == 0

        result = stack.temporal("workflow", "result", "--workflow-id", name, "-o", "json")
        assert json.loads(result.stdout)["result"]["times"] == 1
        assert "cut short" not in join.said


def test_a_second_worker_started_by_hand_finds_the_running_stack(stack: Stack) -> None:
    worker = Part("worker", "--task-queue", "by-hand", "--data-dir", str(stack.data_dir), env={})
    worker.wait_for("worker ready")

    done = stack("run", "hello", "--json", "--set", "temporal.task_queue=by-hand")

    assert "Hello" in json.loads(done.stdout)["result"]["greeting"], done.stderr
    assert worker.end() == 0
