"""Our own processes: the same commands that an operator runs alone, told by environment where the servers are.

They say themselves that they are ready and alive (runtime/notify.py); one that falls silent is not well.
"""

import asyncio
import json
import socket
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from .... import __version__
from ...notify import STATE_FIELD
from ..paths import StackPaths
from ..process import Command
from ..service import Service, Unwell
from ..state import InstanceState

SILENCE = timedelta(seconds=15)


class OurService(Service):
    def __init__(
        self,
        paths: StackPaths,
        name: str,
        argv: list[str],
        *,
        after: tuple[str, ...],
        env: Mapping[str, str],
        endpoint: str | None = None,
    ) -> None:
        super().__init__(paths, endpoint=endpoint, version=__version__)
        self.name, self.after, self.argv = name, after, argv
        self.env = env
        self.ears: socket.socket | None = None
        self.is_ready = False
        self.unwell: str | None = None
        self.heard = 0.0

    @property
    def ear(self) -> Path:
        return self.paths.sockets / f"notify-{self.name}"

    async def prepare(self) -> None:
        self.close()
        self.ear.unlink(missing_ok=True)
        self.is_ready, self.unwell, self.heard, self.instances = False, None, time.monotonic(), []
        self.metrics = None
        self.ears = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.ears.bind(str(self.ear))
        asyncio.get_running_loop().add_reader(self.ears, self._listen)

    def close(self) -> None:
        if self.ears is not None:
            asyncio.get_running_loop().remove_reader(self.ears)
            self.ears.close()
            self.ears = None

    def _listen(self) -> None:
        assert self.ears is not None
        fields = dict(line.partition("=")[::2] for line in self.ears.recv(65536).decode().splitlines())
        self.heard = time.monotonic()
        self.is_ready = self.is_ready or fields.get("READY") == "1"
        if STATE_FIELD in fields:
            state = json.loads(fields[STATE_FIELD])
            self.endpoint = state.get("endpoint", self.endpoint)
            self.unwell = state.get("unwell")
            self.metrics = state.get("metrics", self.metrics)
            self.instances = [InstanceState(**instance) for instance in state.get("instances", [])]

    def command(self) -> Command:
        return Command(
            [sys.executable, "-m", "resprout.runtime.cli", *self.argv],
            env={**self.env, "NOTIFY_SOCKET": str(self.ear)},
            patience=timedelta(seconds=20),
        )

    async def probe(self) -> None:
        if not self.is_ready:
            raise Unwell("not ready yet")
        if self.unwell:
            raise Unwell(self.unwell)
        silence = time.monotonic() - self.heard
        if silence > SILENCE.total_seconds():
            raise Unwell(f"silent for {silence:.0f} s")
