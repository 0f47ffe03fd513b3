"""Moves files between this machine and a workspace, or all of it between a workspace and a store, in pieces.

What does not come to its end has changed nothing in the workspace: `files.sh` makes it aside.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import BinaryIO, Literal, TypeVar
from uuid import uuid4

from ....actors.errors import NotFound, Rejected, TooLarge
from ..backend import NoSandbox
from ..outgoing import end
from ..workspace import Workspace
from .engine import Engine
from .names import workspace_name
from .pipes import Pipe, piped

T = TypeVar("T")
Progress = Callable[[int], None]  # bytes until now
Kind = Literal["file", "directory", "link", "other"]

LONGEST = timedelta(hours=1)
MOST_LISTED = 4 << 20  # bytes of names
_FILES = (files(__package__) / "files.sh").read_text()
_KINDS: dict[str, Kind] = {"f": "file", "d": "directory", "l": "link"}
_NO_PATH, _CUT, _IN_THE_WAY = 44, 45, 46


@dataclass(frozen=True)
class Entry:
    path: str
    kind: Kind
    size: int
    mode: str
    modified: datetime


def silent(size: int) -> None:
    """Nobody looks."""


@dataclass(frozen=True)
class Transfer:
    engine: Engine
    workspace: Workspace

    async def put(self, tar: Iterable[bytes], path: str, name: str, progress: Progress = silent) -> None:
        """`name` is what it is called where `path` is a directory."""
        async with self._running("put", uuid4().hex, path, name) as pipe:
            await _sent(pipe, tar, progress)
            await self._ended(pipe, path)

    async def get(self, path: str, take: Callable[[BinaryIO], T], progress: Progress = silent) -> T:
        """`take` reads the tar in a thread of its own."""
        async with self._running("get", path) as pipe:
            pipe.end()
            try:
                taken = await _fed(pipe.output(), take, progress)
            except Rejected:
                if pipe.is_over:
                    await self._failed_if(pipe, path)
                raise
            await self._ended(pipe, path)
            return taken

    async def list(self, path: str, depth: int) -> list[Entry]:
        async with self._running("list", path, str(depth)) as pipe:
            pipe.end()
            found = bytearray()
            async for piece in pipe.output():
                found += piece
                if len(found) > MOST_LISTED:
                    raise TooLarge(f"there is too much in `{path}` to be listed: list a directory beneath it.")
            await self._ended(pipe, path)
        entries = [_entry(one, path) for one in bytes(found).split(b"\0") if one.count(b" ") >= 4]
        return sorted(entries, key=lambda entry: entry.path)

    async def pack(self, most: int, progress: Progress = silent) -> AsyncIterator[bytes]:
        """All of the working directory. Raises when it did not come whole."""
        size = 0
        async with self._running("pack") as pipe:
            pipe.end()
            async for piece in pipe.output():
                size += len(piece)
                if size > most:
                    raise TooLarge(f"the workspace {self.workspace.name} sends more than it can hold.")
                progress(size)
                yield piece
            await self._ended(pipe, ".")

    async def unpack(self, pieces: AsyncIterator[bytes], progress: Progress = silent) -> None:
        try:
            await self._unpacked(pieces, progress)
        except BaseException:
            with suppress(NoSandbox):  # then whoever moves files there next does it
                await asyncio.shield(self._mended())
            raise

    async def _mended(self) -> None:
        """Who unpacked was ended in the middle: until this, what was there before lies aside."""
        async with self._running("mend") as pipe:
            pipe.end()
            await self._ended(pipe, ".")

    async def _unpacked(self, pieces: AsyncIterator[bytes], progress: Progress) -> None:
        size = 0
        async with self._running("unpack", uuid4().hex) as pipe:
            try:
                async for piece in pieces:
                    await pipe.send(piece)
                    size += len(piece)
                    progress(size)
                await pipe.send(end())
                pipe.end()
            except ConnectionError:
                pass  # it has ended before, and says why
            await self._ended(pipe, ".")

    @asynccontextmanager
    async def _running(self, *words: str) -> AsyncIterator[Pipe]:
        command = ["/bin/sh", "-c", _FILES, "files", *words]
        async with piped(self.engine, workspace_name(self.workspace.id), command, LONGEST) as pipe:
            yield pipe

    async def _ended(self, pipe: Pipe, path: str) -> None:
        async for _ in pipe.output():
            pass
        await self._failed_if(pipe, path)

    async def _failed_if(self, pipe: Pipe, path: str) -> None:
        code, said = await pipe.code(), bytes(pipe.said).decode(errors="replace").strip()
        if code == 0:
            return
        if code == _NO_PATH:
            raise NotFound(f"there is no `{path}` in the workspace {self.workspace.name}: see what there is by `ls`.")
        if code == _IN_THE_WAY:
            raise Rejected(
                f"something is in the way in `{path}`: a directory where a file comes, another thing where a directory "
                "comes, or a directory that may not be written to. Nothing was copied: give another path."
            )
        if "No space left" in said:
            raise TooLarge(
                f"the workspace {self.workspace.name} has not enough room: remove files there, or create one with a "
                "larger `limits.disk`."
            )
        reason = ascii(said[-300:])[1:-1] if said else f"it ended with {code}"
        raise NoSandbox(f"the workspace {self.workspace.name} could not do it: {reason}.")


async def _sent(pipe: Pipe, tar: Iterable[bytes], progress: Progress) -> None:
    size, pieces = 0, iter(tar)
    try:
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            await pipe.send(piece)
            size += len(piece)
            progress(size)
        pipe.end()
    except ConnectionError:
        return  # it has ended before, and says why


async def _fed(pieces: AsyncIterator[bytes], take: Callable[[BinaryIO], T], progress: Progress) -> T:
    """Through a pipe: who reads slowly is waited for, and who stops reading stops it."""
    reading, writing = os.pipe()
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(writing, "wb"))
    writer = asyncio.StreamWriter(transport, protocol, None, loop)

    def taken() -> T:
        with os.fdopen(reading, "rb") as stream:
            return take(stream)

    taking = asyncio.ensure_future(asyncio.to_thread(taken))
    size = 0
    try:
        async for piece in pieces:
            writer.write(piece)
            await writer.drain()
            size += len(piece)
            progress(size)
    except ConnectionError:
        pass  # it has what it wanted, or fails
    finally:
        writer.close()
        await asyncio.wait({taking})
    return taking.result()


def _entry(line: bytes, above: str) -> Entry:
    kind, size, modified, mode, path = line.decode(errors="replace").split(" ", 4)
    return Entry(
        path=path if path.isprintable() else ascii(path)[1:-1],
        kind=_KINDS.get(kind, "other"),
        size=int(size) if size.isdecimal() else 0,
        mode=mode[:8],
        modified=_moment(modified),
    )


def _moment(text: str) -> datetime:
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)
