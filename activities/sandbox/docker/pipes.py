"""One program of ours in a container with its streams here: what moves files and bytes in and out of a workspace.

It cannot stay longer than it was given, whoever dies. What it sends comes from untrusted code, however it began.
"""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from ..backend import NoSandbox
from .engine import Engine
from .frames import frames
from .shape import JOB_USER, KEEPER_USER

ANSWERING = timedelta(seconds=10)
_MOST_SAID = 4_000
_ASKED, _ASK_EVERY = 100, 0.05


@dataclass
class Pipe:
    engine: Engine
    id: str
    reader: StreamReader
    writer: StreamWriter
    said: bytearray = field(default_factory=bytearray)  # on its standard error
    is_over: bool = False  # its output

    async def send(self, piece: bytes) -> None:
        self.writer.write(piece)
        await self.writer.drain()

    def end(self) -> None:
        """Of what it reads."""
        self.writer.write_eof()

    async def output(self) -> AsyncIterator[bytes]:
        """Who stops before its end learns no code either: it may wait for ever to be read."""
        async for name, piece in frames(self.reader):
            if name == "stdout":
                yield piece
            else:
                self.said += piece[: _MOST_SAID - len(self.said)]
        self.is_over = True

    async def code(self) -> int:
        """With which it ended, after its output has. Raises NoSandbox when the engine does not know."""
        for _ in range(_ASKED):
            about = await self.engine.call(lambda api: api.exec_inspect(self.id))
            if not about["Running"] and about["ExitCode"] is not None:
                return int(about["ExitCode"])
            await asyncio.sleep(_ASK_EVERY)  # its output ends a moment before it; nothing tells when
        raise NoSandbox("The Docker engine does not say how a program ended whose output has: see its log.")


@asynccontextmanager
async def piped(
    engine: Engine, container: str, words: Sequence[str], longest: timedelta, *, user: str = JOB_USER
) -> AsyncIterator[Pipe]:
    command = ["timeout", "-s", "KILL", f"{longest.total_seconds():.3f}", *words]
    created = await engine.call(lambda api: api.exec_create(container, command, stdin=True, user=user))
    reader, writer = await engine.execute(created["Id"])
    try:
        yield Pipe(engine, created["Id"], reader, writer)
    finally:
        writer.close()


async def answers(engine: Engine, container: str) -> bool:
    """Whether a program still runs in it. The engine may believe so of one that is gone."""
    try:
        async with (
            asyncio.timeout(ANSWERING.total_seconds()),
            piped(engine, container, ["true"], ANSWERING, user=KEEPER_USER) as pipe,
        ):
            async for _ in pipe.output():
                pass
            return await pipe.code() == 0
    except (TimeoutError, NoSandbox):
        return False
