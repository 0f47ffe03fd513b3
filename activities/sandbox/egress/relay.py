"""Carries bytes between a client in the sandbox and the server that it was allowed to reach.

Nothing is read before what was read last has been taken by the other side, so a slow reader slows the writer and
not us; and every byte is counted before it is passed on.
"""

import asyncio
from asyncio import StreamReader, StreamWriter, Task
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from .dial import CHUNK
from .meter import Meter, Visit
from .rules import Refused


class Idle:
    """Ends the block when nothing has moved for a time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, failure, trace)
        except TimeoutError:
            raise Refused(f"Nothing moved for {self._seconds:g} s.") from None

    def moved(self) -> None:
        self._timeout.reschedule(asyncio.get_running_loop().time() + self._seconds)


@dataclass(frozen=True)
class End:
    """One of the two ends of a relay."""

    reader: StreamReader
    writer: StreamWriter

    def finish(self) -> None:
        """Nothing more is written to it; it may go on to send."""
        if not self.writer.is_closing():
            self.writer.write_eof()

    async def flush(self) -> None:
        """Until all that was written has been taken."""
        self.writer.transport.set_write_buffer_limits(0)
        await self.writer.drain()


@dataclass(frozen=True)
class Relay:
    client: End
    server: End
    meter: Meter
    visit: Visit
    idle: Idle

    async def to_server(self, data: bytes | None) -> None:
        await self._write(self.server, data or b"", self.meter.sends)

    async def to_client(self, data: bytes | None) -> None:
        await self._write(self.client, data or b"", None)

    async def from_client(self) -> bytes:
        return await self.client.reader.read(CHUNK)

    async def from_server(self) -> bytes:
        data = await self.server.reader.read(CHUNK)
        self.meter.receives(self.visit, len(data))
        return data

    async def _write(self, end: End, data: bytes, counted: Callable[[Visit, int], None] | None) -> None:
        if counted is not None:
            counted(self.visit, len(data))
        self.idle.moved()
        end.writer.write(data)
        await end.writer.drain()


def cut(writer: StreamWriter) -> None:
    """At once. What is not flushed is lost."""
    if not writer.is_closing():  # asyncio trips over a second end of a transport
        writer.transport.abort()


async def both(first: Coroutine[Any, Any, None], second: Coroutine[Any, Any, None]) -> None:
    """Until both have ended; a failure of one ends the other."""

    async def ended(tasks: list[Task[None]]) -> None:
        await asyncio.gather(*tasks)

    await _settled([asyncio.ensure_future(first), asyncio.ensure_future(second)], ended)


async def until_second(first: Coroutine[Any, Any, None], second: Coroutine[Any, Any, None]) -> None:
    """Until `second` has ended, which ends `first`; a failure of `first` ends `second`."""

    async def ended(tasks: list[Task[None]]) -> None:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not tasks[1].done():
            tasks[0].result()
        await tasks[1]

    await _settled([asyncio.ensure_future(first), asyncio.ensure_future(second)], ended)


async def _settled(tasks: list[Task[None]], ended: Callable[[list[Task[None]]], Awaitable[None]]) -> None:
    try:
        await ended(tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
