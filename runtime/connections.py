"""The caller's side of the wire: one connection to each host that is called, opened when it is first needed."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Protocol, cast

from ..actors.address import AgentAddress
from ..actors.brain import Saying
from ..actors.calls import Lost
from ..actors.envelope import ENVELOPES as ENVELOPE_LIST
from ..actors.envelope import OUTCOMES as OUTCOME_LIST
from ..actors.envelope import Began, Envelope, Outcome
from ..actors.errors import DeadlinePassed
from ..actors.logger import get_logger
from ..actors.shards import HostSeen, View
from .wire import ANSWER, ENVELOPES, HELLO, OUTCOMES, QUESTION, VIEW, WORDS, Frames, frame, in_frames

log = get_logger("resprout.calls")

LOOK_AT_DEADLINES_EVERY = 0.05
CONNECT_SECONDS = 3.0
QUESTION_SECONDS = 3.0


def now() -> datetime:
    return datetime.now(UTC)


class Directory(Protocol):
    """Where a caller begins: somebody who knows hosts, without any host being known yet."""

    async def find(self) -> tuple[str, View] | None:
        """The cluster's secret and who has what; None when there are no hosts."""
        ...


class Connections:
    """A `Transport` of the delivery core."""

    def __init__(self, directory: Directory, clock: Callable[[], datetime]) -> None:
        self.directory = directory
        self.clock = clock
        self.secret = ""
        self.open: dict[str, HostConnection] = {}
        self.opening: dict[str, asyncio.Future[HostConnection]] = {}

    def send(self, host: HostSeen, envelope: Envelope, until: datetime) -> Awaitable[Outcome]:
        connection = self.open.get(host.address)
        if connection is not None:
            return connection.send(envelope, until)
        return self._send(host.address, envelope, until)

    async def _send(self, address: str, envelope: Envelope, until: datetime) -> Outcome:
        return await (await self._to(address)).send(envelope, until)

    async def view(self) -> View | None:
        """From a host that we are connected to, else from the directory."""
        for connection in list(self.open.values()):
            try:
                return VIEW.validate_python(await connection.ask("view"))
            except (Lost, TimeoutError):
                connection.drop()
        found = await self.directory.find()
        if found is None:
            return None
        self.secret, view = found
        return view

    def wake(self, host: HostSeen) -> None:
        connection = self.open.get(host.address)
        if connection is not None:
            connection.say("wake")
        else:
            task = asyncio.create_task(self._wake(host))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def cancel(self, host: HostSeen, envelope: Envelope) -> None:
        connection = self.open.get(host.address)
        if connection is not None:  # the message went through one, so there is one
            connection.say("cancel", agent=envelope.recipient, message=str(envelope.id))

    async def _wake(self, host: HostSeen) -> None:
        (await self._to(host.address)).say("wake")

    async def stop(self, host: HostSeen, agent: AgentAddress) -> bool:
        return bool(await (await self._to(host.address)).ask("stop", agent=str(agent)))

    async def speech(self, host: HostSeen, agent: AgentAddress) -> Saying | None:
        said = await (await self._to(host.address)).ask("speech", agent=str(agent))
        return Saying.model_validate(said) if said is not None else None

    def close(self) -> None:
        for connection in list(self.open.values()):
            connection.drop()

    async def _to(self, address: str) -> "HostConnection":
        """One connection for all who want it at the same time."""
        if (connection := self.open.get(address)) is not None:
            return connection
        opening = self.opening.get(address)
        if opening is None:
            opening = self.opening[address] = asyncio.ensure_future(self._connect(address))
            opening.add_done_callback(lambda _: self.opening.pop(address, None))
        return await asyncio.shield(opening)

    async def _connect(self, address: str) -> "HostConnection":
        name, _, port = address.rpartition(":")
        loop = asyncio.get_running_loop()
        try:
            _, connection = await asyncio.wait_for(
                loop.create_connection(lambda: HostConnection(self, address), name.strip("[]"), int(port)),
                CONNECT_SECONDS,
            )
        except (OSError, TimeoutError) as error:
            raise Lost(f"no connection to the host at {address}: {error or type(error).__name__}", sent=False) from None
        self.open[address] = connection
        return connection


class HostConnection(asyncio.Protocol):
    def __init__(self, connections: Connections, address: str) -> None:
        self.connections = connections
        self.address = address
        self.clock = connections.clock
        self.frames = Frames()
        self.number = 0
        self.pending: dict[int, tuple[asyncio.Future[Any], datetime | None]] = {}
        self.begun: set[int] = set()  # whose turns have begun, of those who want to know
        self.leaving: list[tuple[int, Envelope]] = []
        self.watching: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.loop = asyncio.get_running_loop()
        self.transport.write(frame(HELLO, self.connections.secret.encode()))

    def connection_lost(self, error: Exception | None) -> None:
        if self.connections.open.get(self.address) is self:
            del self.connections.open[self.address]
        if self.watching is not None:
            self.watching.cancel()
        lost, self.pending = self.pending, {}
        for number, (future, _) in lost.items():
            if not future.done():
                text = f"the connection to the host at {self.address} broke"
                future.set_exception(Lost(text, begun=number in self.begun))

    def drop(self) -> None:
        self.transport.abort()
        if self.connections.open.get(self.address) is self:
            del self.connections.open[self.address]

    def send(self, envelope: Envelope, until: datetime) -> "asyncio.Future[Outcome]":
        number, future = self._expect(until)
        if not self.leaving:
            self.loop.call_soon(self._flush)
        self.leaving.append((number, envelope))
        return future

    def say(self, what: str, **words: str) -> None:
        self.transport.write(frame(QUESTION, WORDS.dump_json({"number": 0, "what": what, **words})))

    async def ask(self, what: str, **words: str) -> Any:
        number, future = self._expect(None)
        self.transport.write(frame(QUESTION, WORDS.dump_json({"number": number, "what": what, **words})))
        try:
            return await asyncio.wait_for(future, QUESTION_SECONDS)
        finally:
            self.pending.pop(number, None)

    def _expect(self, until: datetime | None) -> "tuple[int, asyncio.Future[Any]]":
        future: asyncio.Future[Any] = self.loop.create_future()
        if self.transport.is_closing():
            future.set_exception(Lost(f"the connection to the host at {self.address} broke"))
            return 0, future
        self.number += 1
        self.pending[self.number] = (future, until)
        if self.watching is None and until is not None:
            self.watching = self.loop.call_later(LOOK_AT_DEADLINES_EVERY, self._look_at_deadlines)
        return self.number, future

    def _flush(self) -> None:
        leaving, self.leaving = self.leaving, []
        for part in in_frames(leaving, lambda numbered: len(numbered[1].body)):
            self.transport.write(frame(ENVELOPES, ENVELOPE_LIST.dump_json(part, exclude_defaults=True)))

    def data_received(self, data: bytes) -> None:
        for letter, payload in self.frames.feed(data):
            if letter == OUTCOMES:
                for number, outcome in OUTCOME_LIST.validate_json(payload):
                    if isinstance(outcome, Began):
                        self.begun.add(number)
                    else:
                        self._settle(number, outcome)
            elif letter == ANSWER:
                words = WORDS.validate_json(payload)
                self._settle(words["number"], words["answer"])

    def _settle(self, number: int, result: Any) -> None:
        self.begun.discard(number)
        future, _ = self.pending.pop(number, (None, None))
        if future is not None and not future.done():
            future.set_result(result)

    def _look_at_deadlines(self) -> None:
        now = self.clock()
        for number, (future, until) in list(self.pending.items()):
            if until is not None and now > until:
                del self.pending[number]
                self.begun.discard(number)
                if not future.done():
                    future.set_exception(
                        DeadlinePassed(
                            "the agent did not answer in time. Ask again with the same id to learn if it was handled."
                        )
                    )
        self.watching = self.loop.call_later(LOOK_AT_DEADLINES_EVERY, self._look_at_deadlines) if self.pending else None
