"""A port in a workspace, reached by its owner alone, for as long as somebody holds it open.

The workspace has no network: each connection is a program executed in it that carries bytes. Outside, a unix socket
lets in who may write to it, which is its owner; a TCP port on loopback lets in anybody of this machine, so each visitor
is looked up in the kernel's table of connections, and only the owner's processes (and root's) are served.
"""

import asyncio
import os
import socket
import stat
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from ....actors.errors import Rejected, ResproutError
from ....actors.logger import get_logger
from ..workspace import Workspace
from .engine import Engine
from .names import workspace_name
from .pipes import Pipe, piped

log = get_logger("resprout.sandbox")

AT_ONCE = 32
LONGEST = timedelta(hours=12)  # of one connection
ENDING = timedelta(seconds=5)
LONGEST_PATH = 107  # bytes, of a unix socket
CHUNK = 64 << 10
_PORT = (files(__package__) / "port.sh").read_text()
# And how an address of the fourth version is written there.
_TABLES = {Path("/proc/net/tcp"): "", Path("/proc/net/tcp6"): "0000000000000000FFFF0000"}


@dataclass
class Port:
    engine: Engine
    workspace: Workspace
    number: int
    visits: set[asyncio.Task[None]] = field(default_factory=set)
    refused: int = 0

    @asynccontextmanager
    async def on_socket(self, path: Path) -> AsyncIterator[Path]:
        if len(bytes(path)) > LONGEST_PATH:
            raise Rejected(f"{path} is too long for a unix socket: give a shorter path.")
        _refuse_file(path)
        try:
            opened, ours = _private(path)
        except OSError as error:
            raise Rejected(f"{path} cannot be made: {error.strerror}.") from None
        try:
            server = await asyncio.start_unix_server(self._enter, sock=opened)
            async with self._serving(server):
                yield path
        finally:
            opened.close()
            _clear(path, ours)

    @asynccontextmanager
    async def on_loopback(self, port: int = 0) -> AsyncIterator[int]:
        try:
            server = await asyncio.start_server(self._enter_if_owner, "127.0.0.1", port)
        except OSError as error:
            raise Rejected(f"port {port} of this machine cannot be used: {error.strerror}.") from None
        async with self._serving(server):
            yield int(server.sockets[0].getsockname()[1])

    @asynccontextmanager
    async def _serving(self, server: asyncio.Server) -> AsyncIterator[None]:
        try:
            yield
        finally:
            server.close()
            for visit in self.visits:
                visit.cancel()
            await asyncio.gather(*self.visits, return_exceptions=True)

    def _enter_if_owner(self, reader: StreamReader, writer: StreamWriter) -> None:
        user = user_of(writer.get_extra_info("peername"), writer.get_extra_info("sockname"))
        if user is None or user not in (0, os.geteuid()):
            self.refused += 1
            log.warning("another user was refused a port", workspace=self.workspace.name, port=self.number, user=user)
            writer.transport.abort()
        else:
            self._enter(reader, writer)

    def _enter(self, reader: StreamReader, writer: StreamWriter) -> None:
        if len(self.visits) >= AT_ONCE:
            writer.transport.abort()
            return
        visit = asyncio.ensure_future(self._carry(reader, writer))
        self.visits.add(visit)
        visit.add_done_callback(self.visits.discard)

    async def _carry(self, reader: StreamReader, writer: StreamWriter) -> None:
        words = ["/bin/sh", "-c", _PORT, "port", str(self.number)]
        try:
            async with piped(self.engine, workspace_name(self.workspace.id), words, LONGEST) as pipe:
                sending = asyncio.ensure_future(_send(reader, pipe))
                try:
                    async for piece in pipe.output():
                        writer.write(piece)
                        await writer.drain()
                except (ConnectionError, asyncio.CancelledError):
                    await asyncio.shield(self._end(pipe))
                    raise
                finally:
                    sending.cancel()
                    await asyncio.wait({sending})
                self._tell_failure(pipe)
        except (ConnectionError, ResproutError) as error:
            log.info("a connection to a port broke", workspace=self.workspace.name, port=self.number, error=str(error))
        finally:
            writer.close()

    async def _end(self, pipe: Pipe) -> None:
        """Nobody listens any more: the program in the workspace would go on."""
        process = bytes(pipe.said).partition(b"\n")[0].decode(errors="replace")
        if process.isdecimal():
            async with piped(self.engine, workspace_name(self.workspace.id), ["kill", process], ENDING) as killing:
                async for _ in killing.output():
                    pass

    def _tell_failure(self, pipe: Pipe) -> None:
        if said := bytes(pipe.said).decode(errors="replace").partition("\n")[2].strip():
            log.info("nothing answers at the port", port=self.number, said=said[-200:])


def _private(path: Path) -> tuple[socket.socket, os.stat_result]:
    """It has its name when nobody else may write to it. Made in a directory that only its owner enters, for what the
    process makes at the same time is not to be as private; by way of its number, for long paths are refused.
    """
    made = socket.socket(socket.AF_UNIX)
    try:
        with TemporaryDirectory(prefix=".resprout-", dir=path.parent) as folder:
            number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                made.bind(f"/proc/self/fd/{number}/s")
                os.chmod("s", 0o600, dir_fd=number)
                os.rename("s", path.absolute(), src_dir_fd=number)
            finally:
                os.close(number)
    except BaseException:
        made.close()
        raise
    return made, path.stat()


def _clear(path: Path, ours: os.stat_result) -> None:
    """Somebody else may have put one of his own there."""
    with suppress(FileNotFoundError):
        if os.path.samestat(path.lstat(), ours):
            path.unlink()


def _refuse_file(path: Path) -> None:
    """It would be replaced."""
    if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
        raise Rejected(f"{path} is there and no socket: give another path.")


async def _send(reader: StreamReader, pipe: Pipe) -> None:
    try:
        while chunk := await reader.read(CHUNK):
            await pipe.send(chunk)
        pipe.end()
    except ConnectionError:
        return  # the other direction says how it ended


def user_of(visitor: tuple[str, int], server: tuple[str, int]) -> int | None:
    """Whose the other end of a connection over loopback is; None when the kernel does not say.

    One that was closed at once belongs to nobody any more, and the kernel gives root for nobody: it has no inode.
    """
    ends = [_hexadecimal(visitor), _hexadecimal(server)]
    for table, prefix in _TABLES.items():
        try:
            lines = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if words[1:3] == [prefix + one for one in ends]:
                return int(words[7]) if words[9] != "0" else None
    return None


def _hexadecimal(address: tuple[str, int]) -> str:
    host = bytes(int(part) for part in address[0].split("."))
    return f"{int.from_bytes(host, 'little'):08X}:{address[1]:04X}"
