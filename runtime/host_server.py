"""The host's side of the wire: envelopes in, outcomes out.

What one caller can make the host keep is bounded: before it has shown the secret, by the size of that; afterwards by
what waits for an outcome, and by the outcomes that wait to be read.
"""

import asyncio
import hmac
from collections.abc import Callable
from functools import partial
from typing import Any, assert_never, cast

from pydantic import ValidationError

from ..actors.delivery import Delivery
from ..actors.envelope import ENVELOPES as ENVELOPE_LIST
from ..actors.envelope import OUTCOMES as OUTCOME_LIST
from ..actors.envelope import Accepted, Began, Failed, Outcome, Replied
from ..actors.logger import get_logger
from .wire import (
    ANSWER,
    ENVELOPES,
    HELLO,
    LARGEST_FRAME,
    LARGEST_HELLO,
    OUTCOMES,
    QUESTION,
    WORDS,
    BadFrame,
    Frames,
    frame,
    in_frames,
)

log = get_logger("resprout.host")

# A caller that has so many messages unanswered is not read until some of them are.
MOST_UNANSWERED = 20_000
MOST_UNANSWERED_BYTES = 32_000_000
# A caller that leaves so much unread is cut off. It asks again, and gets what was stored.
MOST_UNREAD_BYTES = 64_000_000
# In this time a caller has shown the secret.
HELLO_SECONDS = 5.0

Question = Callable[[dict[str, Any]], Any]


class HostServer:
    def __init__(self, delivery: Delivery, secret: str, answer_question: Question) -> None:
        self.delivery = delivery
        self.secret = secret.encode()
        self.answer_question = answer_question  # gives a coroutine of what to answer
        self.connections: set[CallerConnection] = set()

    async def open(self, host: str) -> str:
        """Listens on a free port; returns host:port."""
        server = await asyncio.get_running_loop().create_server(lambda: CallerConnection(self), host, 0)
        self.server = server
        name, port = server.sockets[0].getsockname()[:2]
        return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


class CallerConnection(asyncio.Protocol):
    def __init__(self, server: HostServer) -> None:
        self.server = server
        self.frames = Frames(LARGEST_HELLO)
        self.known = False
        self.unanswered = 0
        self.unanswered_bytes = 0
        self.unread = False  # it does not read as fast as we write
        self.outcomes: list[tuple[int, Outcome | Began]] = []
        self.reading = True
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.loop = asyncio.get_running_loop()
        self.server.connections.add(self)
        self.stranger = self.loop.call_later(HELLO_SECONDS, self.transport.abort)

    def connection_lost(self, error: Exception | None) -> None:
        self.stranger.cancel()
        self.server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        try:
            for letter, payload in self.frames.feed(data):
                self._frame(letter, payload)
        except (BadFrame, ValidationError, ValueError, KeyError) as error:
            log.warning("a caller does not speak our language", error=str(error).partition("\n")[0])
            self.transport.abort()

    def _frame(self, letter: int, payload: bytes) -> None:
        if not self.known:
            if letter != HELLO or not hmac.compare_digest(payload, self.server.secret):
                raise BadFrame("no or a wrong secret")
            self.known = True
            self.stranger.cancel()
            self.frames.largest = LARGEST_FRAME
        elif letter == ENVELOPES:
            receive = self.server.delivery.receive
            for number, envelope in ENVELOPE_LIST.validate_json(payload):
                size = len(envelope.body)
                self.unanswered += 1
                self.unanswered_bytes += size
                receive(envelope, partial(self._outcome, number, size))
            self._read_or_wait()
        elif letter == QUESTION:
            question = WORDS.validate_json(payload)
            task = self.loop.create_task(self._answer(question))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        else:
            raise BadFrame(f"an unknown kind of frame, {letter}")

    def _outcome(self, number: int, size: int, outcome: Outcome | Began) -> None:
        if isinstance(outcome, Began):
            self.outcomes.append((number, outcome))
            self._flush()  # at once: the turn may end this process
            return
        self.unanswered -= 1
        self.unanswered_bytes -= size
        if not self.outcomes:
            self.loop.call_soon(self._flush)
        self.outcomes.append((number, outcome))
        if not self.reading:
            self._read_or_wait()

    def pause_writing(self) -> None:
        self.unread = True
        self._read_or_wait()

    def resume_writing(self) -> None:
        self.unread = False
        self._read_or_wait()

    def _read_or_wait(self) -> None:
        """Reads no more while too much is unanswered or unread, and then not before half of it is gone."""
        share = 1 if self.reading else 2
        reads = (
            not self.unread
            and self.unanswered <= MOST_UNANSWERED // share
            and self.unanswered_bytes <= MOST_UNANSWERED_BYTES // share
        )
        if reads != self.reading and not self.transport.is_closing():
            self.reading = reads
            (self.transport.resume_reading if reads else self.transport.pause_reading)()

    def _flush(self) -> None:
        outcomes, self.outcomes = self.outcomes, []
        for part in in_frames(outcomes, _size):
            if self.transport.is_closing():
                return
            self.transport.write(frame(OUTCOMES, OUTCOME_LIST.dump_json(part)))
            if self.transport.get_write_buffer_size() > MOST_UNREAD_BYTES:
                log.warning("a caller does not read its outcomes and is cut off")
                self.transport.abort()

    async def _answer(self, question: dict[str, Any]) -> None:
        answer = await self.server.answer_question(question)
        if not self.transport.is_closing():
            self.transport.write(frame(ANSWER, WORDS.dump_json({"number": question["number"], "answer": answer})))


def _size(numbered: tuple[int, Outcome | Began]) -> int:
    match numbered[1]:
        case Replied(body=body):
            return len(body or "")
        case Failed(text=text):
            return len(text)
        case Accepted() | Began():
            return 0
        case never:
            assert_never(never)
