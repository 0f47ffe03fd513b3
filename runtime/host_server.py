"""The host's side of the wire: envelopes in, outcomes out."""

import asyncio
import hmac
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from pydantic import ValidationError

from ..actors.delivery import Delivery
from ..actors.envelope import ENVELOPES as ENVELOPE_LIST
from ..actors.envelope import OUTCOMES as OUTCOME_LIST
from ..actors.envelope import Outcome
from ..actors.logger import get_logger
from .wire import ANSWER, ENVELOPES, HELLO, OUTCOMES, QUESTION, WORDS, BadFrame, Frames, frame

log = get_logger("resprout.host")

# A caller that has so many messages unanswered is not read until some of them are.
MOST_UNANSWERED = 20_000

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
        self.frames = Frames()
        self.known = False
        self.unanswered = 0
        self.outcomes: list[tuple[int, Outcome]] = []
        self.reading = True
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.loop = asyncio.get_running_loop()
        self.server.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
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
        elif letter == ENVELOPES:
            receive = self.server.delivery.receive
            for number, envelope in ENVELOPE_LIST.validate_json(payload):
                self.unanswered += 1
                receive(envelope, partial(self._outcome, number))
            if self.unanswered > MOST_UNANSWERED and self.reading:
                self.reading = False
                self.transport.pause_reading()
        elif letter == QUESTION:
            question = WORDS.validate_json(payload)
            task = self.loop.create_task(self._answer(question))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        else:
            raise BadFrame(f"an unknown kind of frame, {letter}")

    def _outcome(self, number: int, outcome: Outcome) -> None:
        self.unanswered -= 1
        if not self.outcomes:
            self.loop.call_soon(self._flush)
        self.outcomes.append((number, outcome))
        if not self.reading and self.unanswered < MOST_UNANSWERED // 2:
            self.reading = True
            self.transport.resume_reading()

    def _flush(self) -> None:
        outcomes, self.outcomes = self.outcomes, []
        if not self.transport.is_closing():
            self.transport.write(frame(OUTCOMES, OUTCOME_LIST.dump_json(outcomes)))

    async def _answer(self, question: dict[str, Any]) -> None:
        answer = await self.server.answer_question(question)
        if not self.transport.is_closing():
            self.transport.write(frame(ANSWER, WORDS.dump_json({"number": question["number"], "answer": answer})))
