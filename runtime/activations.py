"""The agents that live in one host process: activated by a message, one message at a time, forgotten when idle.

A turn is: find the stored reply, or run the handler on a copy of the state and commit state, mark and reply
together. Nothing that is in memory here is needed after a kill: what counts is in Postgres.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import assert_never

import structlog
from opentelemetry import trace
from opentelemetry.propagate import extract

from ..actors.address import AgentAddress
from ..actors.agent import Agent, agent_class
from ..actors.envelope import Envelope, Failed, Replied
from ..actors.errors import AgentFailed, DeadlinePassed, Draining, ResproutError
from ..actors.message import Message, parse
from ..memory.turns import AlreadyHandled, Committed, Superseded, Turn, Turns

log = structlog.get_logger("resprout.host")
tracer = trace.get_tracer("resprout.host")

MOST_ACTIVE = 10_000


class Activation:
    """One agent in memory: its state at a version, and the lock that keeps its turns apart."""

    def __init__(self, address: AgentAddress) -> None:
        self.address = address
        self.turn = asyncio.Lock()
        self.agent: Agent | None = None
        self.version = 0
        self.visitors = 0


class Activations:
    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.active: OrderedDict[AgentAddress, Activation] = OrderedDict()
        self.in_flight = 0
        self.idle = asyncio.Event()
        self.idle.set()
        self.draining = False

    async def deliver(self, envelope: Envelope) -> Replied | Failed:
        with (
            structlog.contextvars.bound_contextvars(
                run=envelope.run, agent=envelope.recipient, message=str(envelope.id)
            ),
            tracer.start_as_current_span(
                f"handle {envelope.type}",
                context=extract(envelope.trace),
                attributes={"resprout.agent": envelope.recipient, "resprout.message_id": str(envelope.id)},
            ) as span,
        ):
            try:
                with self._counted():
                    return await self._deliver(envelope)
            except ResproutError as error:
                span.set_status(trace.StatusCode.ERROR, str(error))
                return Failed(error=type(error).__name__, text=str(error))

    async def drain(self, patience: timedelta) -> bool:
        """Takes no new messages and waits for the turns in flight. Whether they all ended in time."""
        self.draining = True
        try:
            await asyncio.wait_for(self.idle.wait(), patience.total_seconds())
        except TimeoutError:
            return False
        return True

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self.draining:
            raise Draining("this host is about to end. Another one takes the message.")
        self.in_flight += 1
        self.idle.clear()
        try:
            yield
        finally:
            self.in_flight -= 1
            if self.in_flight == 0:
                self.idle.set()

    async def _deliver(self, envelope: Envelope) -> Replied:
        address = AgentAddress.parse(envelope.recipient)
        kind = agent_class(address.kind)
        message = parse(envelope.type, envelope.body)
        async with self._visit(address) as activation, activation.turn:
            while True:
                if envelope.deadline is not None and datetime.now(UTC) > envelope.deadline:
                    raise DeadlinePassed(f"the deadline of message {envelope.id} to {address} has passed.")
                if stored := await self.turns.reply_of(address.kind, address.key, envelope.id):
                    return Replied(type=stored.type, body=stored.body)
                if (reply := await self._take_turn(activation, kind, message, envelope)) is not None:
                    return reply
                activation.agent = None  # somebody else wrote: read the state again and redo the turn

    async def _take_turn(
        self, activation: Activation, kind: type[Agent], message: Message, envelope: Envelope
    ) -> Replied | None:
        address = activation.address
        if activation.agent is None:
            snapshot = await self.turns.load(address.kind, address.key)
            activation.agent = kind.model_validate(snapshot.state) if snapshot else kind()
            activation.version = snapshot.version if snapshot else 0
        after = activation.agent.model_copy(deep=True)
        reply = await self._handle(after, message, address)
        turn = Turn(
            kind=address.kind,
            key=address.key,
            message_id=envelope.id,
            expected_version=activation.version,
            state=after.model_dump(mode="json"),
            reply_type=reply.message_name if reply else None,
            reply=reply.model_dump(mode="json") if reply else None,
        )
        match await self.turns.commit(turn):
            case Committed():
                activation.agent, activation.version = after, activation.version + 1
                log.info("handled", message_type=envelope.type, version=activation.version)
                return Replied(type=turn.reply_type, body=turn.reply)
            case AlreadyHandled(stored):
                activation.agent = None
                return Replied(type=stored.type, body=stored.body)
            case Superseded():
                return None
            case never:
                assert_never(never)

    async def _handle(self, agent: Agent, message: Message, address: AgentAddress) -> Message | None:
        try:
            return await agent.handle(message)
        except ResproutError:
            raise
        except Exception as error:
            log.exception("handler failed", message_type=message.message_name)
            raise AgentFailed(
                f"{address} failed on `{message.message_name}`: {type(error).__name__}: {error}. "
                "Its state is as before."
            ) from error

    @asynccontextmanager
    async def _visit(self, address: AgentAddress) -> AsyncIterator[Activation]:
        """Holds the activation in memory while somebody is with it; the longest idle ones make room."""
        activation = self.active.setdefault(address, Activation(address))
        self.active.move_to_end(address)
        activation.visitors += 1
        try:
            yield activation
        finally:
            activation.visitors -= 1
            while len(self.active) > MOST_ACTIVE:
                oldest = next((a for a in self.active.values() if a.visitors == 0), None)
                if oldest is None:
                    break
                del self.active[oldest.address]
