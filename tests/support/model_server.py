"""A local server that speaks a provider's protocol over real sockets, says what a script tells it, and counts.

`Turn` is what a model is to say, or how its provider is to fail, in no protocol's words; a `Dialect` writes it as one
protocol has it. In a test, turns are taken one after the other. As a process (`python openai_server.py PORT JOURNAL
[SCRIPT]`), where callers are killed and ask again, the turn is found by how far the conversation is, among those whose
`when` fits: a request that comes twice is answered alike, and stands in the journal twice.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Use:
    name: str
    arguments: Any = field(default_factory=dict)  # text is written as it is: models write what is no JSON
    id: str | None = None


@dataclass(frozen=True)
class Turn:
    text: str = ""
    uses: tuple[Use, ...] = ()
    thought: str = ""
    stop: str = ""  # `length`, `refused`; else what fits
    input_tokens: int = 100
    cached_tokens: int = 0
    written_tokens: int = 0
    output_tokens: int = 20
    counts: bool = True  # it tells these numbers
    status: int = 200
    error: dict[str, Any] | None = None  # code, type, message, as the dialect places them
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0  # before it begins to answer
    pause_seconds: float = 0.0  # between events, so that it can be killed in the middle
    when: str = ""  # as a process: only for requests in which this text stands
    gate: str = ""  # a file: what comes after `gate_after` events, comes when it exists
    gate_after: int = 0
    cut_after: int | None = None  # events, then the connection is closed
    stall_after: int | None = None  # events, then nothing more comes
    garble_after: int | None = None  # events, then one that is not of the protocol
    garbage: bytes = b"data: {not json\n\n"
    error_after: int | None = None  # events, then `error` in the stream
    body: bytes | None = None  # instead of all that
    content_type: str = "text/event-stream"


@dataclass(frozen=True)
class Heard:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class Dialect(Protocol):
    def events(self, turn: Turn, heard: Heard) -> Iterator[bytes]: ...

    def error(self, error: dict[str, Any]) -> bytes: ...

    def error_event(self, error: dict[str, Any]) -> bytes: ...

    def position(self, body: dict[str, Any]) -> int:
        """How often the model has spoken in this conversation."""
        ...


Script = Callable[[Heard, int], Turn]


class ModelServer:
    def __init__(self, dialect: Dialect, script: Script, journal: Path | None = None) -> None:
        self.dialect = dialect
        self.heard: list[Heard] = []
        self.gone = asyncio.Event()  # a caller closed its connection
        self.open = 0
        self.most_open = 0
        self.port = 0
        self._script = script
        self._journal = journal
        self._released = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def calls(self) -> int:
        return len(self.heard)

    def release(self) -> None:
        """What stalls, goes on."""
        self._released.set()

    @asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncIterator["ModelServer"]:
        server = await asyncio.start_server(self._connect, "127.0.0.1", port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self.release()
            server.close()
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (heard := await _read(reader)) is not None:
                self.open += 1
                self.most_open = max(self.most_open, self.open)
                try:
                    if not await self._answer(heard, reader, writer):
                        break
                finally:
                    self.open -= 1
        except (ConnectionError, asyncio.IncompleteReadError):
            self.gone.set()
        finally:
            writer.close()

    async def _answer(self, heard: Heard, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection is still good."""
        self.heard.append(heard)
        turn = _with_ids(self._script(heard, len(self.heard) - 1), self.dialect.position(heard.body))
        if self._journal is not None:
            with self._journal.open("a") as journal:
                journal.write(json.dumps(asdict(heard)) + "\n")
        await asyncio.sleep(turn.delay_seconds)
        if turn.status != 200 or turn.body is not None:
            body = self.dialect.error(turn.error or {}) if turn.body is None else turn.body
            kind = "application/json" if turn.status != 200 else turn.content_type
            writer.write(_head(turn.status, {"content-type": kind, "content-length": str(len(body)), **turn.headers}))
            writer.write(body)
            await writer.drain()
            return True
        return await self._stream(turn, heard, reader, writer)

    async def _stream(
        self, turn: Turn, heard: Heard, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        writer.write(_head(200, {"content-type": turn.content_type, "transfer-encoding": "chunked", **turn.headers}))
        for number, event in enumerate(self.dialect.events(turn, heard)):
            if turn.gate and number == turn.gate_after:
                await writer.drain()
                await _until_exists(Path(turn.gate))
            if number == turn.cut_after:
                return False
            if number == turn.stall_after:
                await writer.drain()
                await self._until_gone(reader)
                return False
            if number == turn.garble_after:
                _write_chunk(writer, turn.garbage)
            if number == turn.error_after:
                _write_chunk(writer, self.dialect.error_event(turn.error or {}))
            _write_chunk(writer, event)
            await writer.drain()
            await asyncio.sleep(turn.pause_seconds)
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _until_gone(self, reader: asyncio.StreamReader) -> None:
        waits = [asyncio.ensure_future(reader.read(1)), asyncio.ensure_future(self._released.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        self.gone.set()


async def _until_exists(gate: Path) -> None:
    while not gate.exists():
        await asyncio.sleep(0.02)


def _with_ids(turn: Turn, position: int) -> Turn:
    """New in the conversation, and the same when the same is asked again."""
    uses = [replace(use, id=use.id or f"call_{position}_{index}") for index, use in enumerate(turn.uses)]
    return replace(turn, uses=tuple(uses))


async def _read(reader: asyncio.StreamReader) -> Heard | None:
    head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
    if not head:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Heard(first.split(" ")[1], headers, json.loads(body or b"{}"))


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _write_chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


def pieces(text: str, size: int = 7) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def arguments(use: Use) -> str:
    return use.arguments if isinstance(use.arguments, str) else json.dumps(use.arguments)


def one_after_the_other(*turns: Turn) -> Script:
    """The last one is said again and again."""
    return lambda _, number: turns[min(number, len(turns) - 1)]


def as_process(dialect: Dialect) -> None:
    """PORT (0: any free one) JOURNAL [SCRIPT]; SCRIPT is a JSON list of turns. Prints the port when it listens."""
    port, journal = int(sys.argv[1]), Path(sys.argv[2])
    script: list[dict[str, Any]] = [{"text": "done"}]
    if len(sys.argv) > 3:
        script = json.loads(Path(sys.argv[3]).read_text())
    turns = [Turn(**{**one, "uses": tuple(Use(**use) for use in one.get("uses", ()))}) for one in script]

    def said(heard: Heard, _: int) -> Turn:
        body = json.dumps(heard.body, ensure_ascii=False)
        fitting = [turn for turn in turns if turn.when in body]
        return fitting[min(dialect.position(heard.body), len(fitting) - 1)]

    async def serve() -> None:
        server = ModelServer(dialect, said, journal)
        async with server.listening(port):
            print(server.port, flush=True)
            await asyncio.Event().wait()

    asyncio.run(serve())
