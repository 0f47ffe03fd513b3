"""The stack of the demo, in a directory of its own.

It is deaf to the settings of whoever runs the demo: nothing may be killed here that is not the demo's own.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resprout.actors.errors import StackError
from resprout.runtime.settings import PREFIX, Settings, load
from resprout.runtime.stack import state
from resprout.runtime.stack.find import attach
from resprout.runtime.stack.paths import StackPaths
from resprout.runtime.stack.state import StackState

ROOT = Path(__file__).resolve().parents[2]
DATA_DIR = ROOT / ".resprout" / "demo"
MARK = "made-by-the-demo"
BETWEEN_TRIES = 0.5  # seconds
PATIENCE = 180.0  # seconds, for the stack to stop


class Stage:
    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()

    @contextmanager
    def stack(self) -> Iterator[None]:
        """Up inside, down afterwards. What an earlier demo left is removed first."""
        with self._alone():
            self._clear()
            starting = self._start("up", "--detach")
            try:
                if starting.wait() != 0:
                    raise StackError("the stack did not start, as told above. See `resprout doctor`.")
                yield
            finally:
                self._stop(starting)

    def settings(self) -> Settings:
        return attach(self._own_settings(), "postgres.dsn", "temporal.address")

    def state(self) -> StackState:
        current = state.read(StackPaths.of(self.data_dir))
        if current is None:
            raise StackError(f"the stack in {self.data_dir} was stopped from outside. Run the demo again.")
        return current

    def pid(self, service: str) -> int | None:
        """Of hosts, that of the host itself and not of the process that looks after it."""
        found = self.state().service(service)
        return found.pid if service != "hosts" else next((instance.pid for instance in found.instances), None)

    def _own_settings(self) -> Settings:
        bare = load(environ={}, directory=self.data_dir).settings
        return bare.model_copy(update={"data_dir": self.data_dir})

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        with self.data_dir.with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                where = f"another demo is running in {self.data_dir}"
                raise StackError(f"{where}: wait for its end, or name another --data-dir.") from None
            yield

    def _clear(self) -> None:
        """Only what a demo made is removed, whatever directory was named."""
        mark = self.data_dir / MARK
        if self.data_dir.exists() and self.data_dir != DATA_DIR and not mark.exists():
            raise StackError(f"{self.data_dir} was not made by a demo, and is left alone. Name one that is not there.")
        self._down()
        shutil.rmtree(self.data_dir, ignore_errors=True)
        self.data_dir.mkdir()
        self.data_dir.chmod(0o711)  # as root, Postgres runs as another user, who must be able to enter
        mark.touch()

    def _stop(self, starting: "subprocess.Popen[bytes]") -> None:
        """Also a stack that is just starting, which cannot be stopped in its first moment. A second Ctrl-C waits."""
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            deadline = time.monotonic() + PATIENCE
            while not self._down() or starting.poll() is None:
                if time.monotonic() > deadline:
                    raise StackError(f"the stack does not stop. Say `resprout down --data-dir {self.data_dir}`.")
                time.sleep(BETWEEN_TRIES)
        finally:
            signal.signal(signal.SIGINT, before)

    def _down(self) -> bool:
        return self._start("down", output=subprocess.DEVNULL).wait() == 0

    def _start(self, *words: str, output: int | None = None) -> "subprocess.Popen[bytes]":
        """In a session of its own: Ctrl-C is for us, and we end what we started."""
        bare = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        command = [sys.executable, "-m", "resprout.runtime.cli", *words, "--data-dir", str(self.data_dir)]
        there = self.data_dir if self.data_dir.is_dir() else self.data_dir.parent  # where no resprout.toml lies
        return subprocess.Popen(command, env=bare, cwd=there, stdout=output, stderr=output, start_new_session=True)
