"""Gives one run its way out: a gate in a directory of its own, found again by who comes back to the run."""

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from ...actors.errors import Rejected
from ...actors.logger import get_logger
from .egress.gate import Gate
from .egress.meter import Bounds, Connection

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


def _ours() -> Path:
    ours = Path(tempfile.gettempdir(), f"resprout-gates-{os.geteuid()}")
    ours.mkdir(exist_ok=True)
    about = ours.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid():
        raise Rejected(f"{ours} is not a directory of ours. Remove it.")
    ours.chmod(0o711 if _is_root() else 0o700)
    return ours


def home_of(workspace: str) -> Path:
    """The directory of a workspace: what it is shown, before there is a gate in it. Each command has one beneath."""
    home = _ours() / _short(workspace)
    home.mkdir(exist_ok=True)
    home.chmod(0o711 if _is_root() else 0o755)
    return home


def remove_home(workspace: str) -> None:
    shutil.rmtree(_ours() / _short(workspace), ignore_errors=True)


def _short(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:20]


def _directory(key: str, workspace: str | None) -> Path:
    """Whoever reaches the socket may reach what is listed for the run, so nobody else may.

    Root gives the directory to the user that the run is (`hand_over`); anybody else keeps all of them to himself.
    """
    directory = (_ours() if workspace is None else home_of(workspace)) / _short(key)
    directory.mkdir(exist_ok=True)
    directory.chmod(0o700 if _is_root() else 0o755)
    return directory


def hand_over(gate: str, uid: int) -> None:
    """To the user that the run is, as seen from outside."""
    if _is_root():
        os.chown(Path(gate).parent, uid, uid)


def _is_root() -> bool:
    return os.geteuid() == 0


@asynccontextmanager
async def way_out(
    net: tuple[str, ...],
    key: str,
    exempt: tuple[str, ...],
    connections: Connections,
    bounds: Bounds,
    workspace: str | None = None,
) -> AsyncIterator[str]:
    """The socket's path. Its directory holds nothing else, and is what the sandbox is shown.

    That of a command in a workspace lies in the one that the workspace is shown.
    """
    directory = _directory(key, workspace)
    try:
        async with Gate(net, directory, connections.audit, exempt=exempt, bounds=bounds) as path:
            yield path
    finally:
        with suppress(OSError):  # somebody else is at the run by now, and his gate is in it
            directory.rmdir()
