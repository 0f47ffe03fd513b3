"""Talks to an MCP server that is a program of this machine, by its standard input and output.

The SDK's own transport reads a line however long it is; here a message has a largest size, for who wrote the program
is not trusted with our memory. And what the program says on standard error is kept, for the sentence that tells why it
ended.
"""

import os
import signal
import subprocess
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import anyio
from anyio import BrokenResourceError, ClosedResourceError, DelimiterNotFound, EndOfStream, IncompleteRead
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

LARGEST_MESSAGE = 16 << 20
KEPT_OF_STDERR = 2_000
GRACE = 2.0  # seconds for it to end by itself

Received = SessionMessage | Exception
Streams = tuple[MemoryObjectReceiveStream[Received], MemoryObjectSendStream[SessionMessage]]


class Program:
    """What became of it, for sentences. `ended` when nothing more can come."""

    def __init__(self) -> None:
        self.ended = anyio.Event()
        self.why = ""
        self._stderr: deque[bytes] = deque()

    def hear(self, text: bytes) -> None:
        self._stderr.append(text)
        while sum(map(len, self._stderr)) - len(self._stderr[0]) > KEPT_OF_STDERR:
            self._stderr.popleft()

    @property
    def last_words(self) -> str:
        text = b"".join(self._stderr)[-KEPT_OF_STDERR:].decode(errors="replace").strip()
        said = next((line.strip() for line in reversed(text.splitlines()) if any(map(str.isalnum, line))), "")[:300]
        return f"{self.why}{': ' if self.why and said else ''}{said}"


@asynccontextmanager
async def program(
    command: Sequence[str], env: Mapping[str, str], directory: str | None, told: Program
) -> AsyncIterator[Streams]:
    """Raises OSError when it cannot be started."""
    process = await anyio.open_process(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=get_default_environment() | dict(env),
        cwd=directory,
        start_new_session=True,
    )
    received, read = anyio.create_memory_object_stream[Received](0)
    write, sent = anyio.create_memory_object_stream[SessionMessage](0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_read, process, received, told)
        tasks.start_soon(_write, process, sent, told)
        tasks.start_soon(_hear, process, told)
        try:
            yield read, write
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process)
            tasks.cancel_scope.cancel()
            for stream in (received, read, write, sent):
                stream.close()


async def _read(process: Process, received: MemoryObjectSendStream[Received], told: Program) -> None:
    lines = BufferedByteReceiveStream(_output(process.stdout))
    with suppress(ClosedResourceError, BrokenResourceError):
        async with received:
            while (line := await _line(lines, told)) is not None:
                with suppress(ValueError):  # what is no message: some programs write their log there
                    message = jsonrpc_message_adapter.validate_json(line, by_name=False)
                    await received.send(SessionMessage(message))
    told.ended.set()


async def _line(lines: BufferedByteReceiveStream, told: Program) -> bytes | None:
    try:
        return await lines.receive_until(b"\n", LARGEST_MESSAGE)
    except DelimiterNotFound:
        told.why = f"it sent a message of more than {LARGEST_MESSAGE >> 20} MB"
    except (IncompleteRead, EndOfStream):
        told.why = "it ended"
    return None


async def _write(process: Process, sent: MemoryObjectReceiveStream[SessionMessage], told: Program) -> None:
    assert process.stdin is not None
    try:
        async for one in sent:
            text = one.message.model_dump_json(by_alias=True, exclude_unset=True)
            await process.stdin.send(text.encode() + b"\n")
    except (ClosedResourceError, BrokenResourceError, OSError):
        told.ended.set()


async def _hear(process: Process, told: Program) -> None:
    with suppress(ClosedResourceError, BrokenResourceError, EndOfStream):
        async for chunk in _output(process.stderr):
            told.hear(chunk)


def _output(stream: ByteReceiveStream | None) -> ByteReceiveStream:
    assert stream is not None
    return stream


async def _end(process: Process) -> None:
    assert process.stdin is not None
    with suppress(OSError, BrokenResourceError, ClosedResourceError):
        await process.stdin.aclose()
    with anyio.move_on_after(GRACE):
        await process.wait()
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
