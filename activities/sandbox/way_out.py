"""Gives one run its way out: a gate in a directory of its own, found again by who comes back to the run."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ...actors.errors import Rejected
from ...actors.logger import get_logger
from .egress.gate import Gate
from .egress.meter import Connection

log = get_logger("resprout.sandbox")

MOST_TOLD = 100  # connections in a result; the log has all


class Connections:
    """What a run did with its network."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.seen: list[Connection] = []

    def audit(self, connection: Connection) -> None:
        log.info("sandbox connection", key=self.key, **vars(connection))
        if len(self.seen) < MOST_TOLD:
            self.seen.append(connection)


def _directory(key: str) -> Path:
    """Nobody else could have made it: with somebody else's, his socket would be the way out."""
    directory = Path(tempfile.gettempdir(), f"resprout-gate-{hashlib.sha256(key.encode()).hexdigest()[:20]}")
    directory.mkdir(mode=0o755, exist_ok=True)
    if directory.is_symlink() or directory.stat().st_uid != os.geteuid():
        raise Rejected(f"{directory} belongs to somebody else. Remove it.")
    return directory


@asynccontextmanager
async def way_out(
    net: tuple[str, ...], key: str, exempt: tuple[str, ...], connections: Connections
) -> AsyncIterator[str]:
    """The socket's path. Its directory holds nothing else, and is what the sandbox is shown."""
    directory = _directory(key)
    try:
        async with Gate(net, directory, connections.audit, exempt=exempt) as path:
            yield path
    finally:
        shutil.rmtree(directory, ignore_errors=True)
