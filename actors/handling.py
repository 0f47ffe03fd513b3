"""Handlers at work: what a developer wrote is run, watched and, when it is late, stopped.

The invariant: a handler works on a copy of the state, and only while it runs may its task be cancelled: nothing of our
own is interrupted. Whatever it raises is its message's failure.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from .agent import Agent
from .arguments import described
from .envelope import Envelope, Replied
from .errors import AgentFailed, DeadlinePassed, ResproutError
from .handlers import Handler
from .logger import get_logger
from .mailbox import Entry
from .message import Message, parse_stored, problems
from .outlet import Outlet
from .runners import Runners, forget_cancellation
from .station import Station
from .storable import why_no_json
from .store import Handled, Held
from .tracing import span
from .turn import Turn, refuse_large

if TYPE_CHECKING:
    from .activation import Activation

log = get_logger("resprout.host")

LOOK_FOR_LATE_TURNS_EVERY = 0.25
CLEAN_UP_SECONDS = 5.0  # what a handler that is stopped may take


class Abandoned(BaseException):
    """The turn was built on a state that was taken back; it is done again. Not for handlers to catch."""


class Handling:
    def __init__(self, station: Station, runners: Runners, outlet: Outlet) -> None:
        self.station = station
        self.runners = runners
        self.outlet = outlet
        self.running: dict[Activation, float] = {}  # those whose handler is at work, and since when

    async def work(self, activation: "Activation", entry: Entry) -> tuple[Handled, Agent, str]:
        """Runs the handler on a copy of the state."""
        assert activation.agent is not None
        envelope = entry.envelope
        handler = activation.kind.handler_of(envelope.type)
        if envelope.lost:
            entry.begins()
        turn = Turn(
            activation.address,
            envelope,
            self.station.clock,
            partial(self._ask, activation),
            partial(self._read_journal, activation),
        )
        after = activation.agent.for_turn(turn)
        with self.stoppable(activation, envelope):
            try:
                reply = await _call(getattr(after, handler.method), envelope)
            except (ResproutError, Abandoned):
                raise
            except (Exception, SystemExit) as error:  # a handler does not end the host by a call of sys.exit
                log.exception("handler failed", agent=str(activation.address), message_type=envelope.type)
                raise unforeseen(activation, envelope, error) from error
        after.end_turn()
        handled = Handled(envelope, entry.stored, _replied(activation, reply, handler), turn.effects)
        if entry.joined:
            handled.joined = [(other.envelope, other.stored) for other in entry.joined]
        if activation.kind.options.ephemeral:
            if turn.effects is not None:
                await self.outlet.send_at_once(turn.effects, envelope.deadline)
            return handled, after, ""
        return handled, after, _as_json(activation, after)

    async def _ask(self, activation: "Activation", envelope: Envelope) -> Replied:
        """An ask is seen outside: so everything that this turn builds on must be durable first."""
        await self._settled(activation)
        return await self.outlet.ask(envelope)

    async def _read_journal(self, activation: "Activation", first: int, last: int) -> Sequence[str]:
        """What the turns before have entered is there to be read."""
        await self._settled(activation)
        return await self.station.store.journal(activation.address, first, last)

    async def _settled(self, activation: "Activation") -> None:
        uncommitted = activation.uncommitted
        generation = uncommitted.generation
        if uncommitted.entries:
            await uncommitted.flushed()
        if uncommitted.generation != generation:
            raise Abandoned

    # While it runs.

    @contextmanager
    def stoppable(self, activation: "Activation", envelope: Envelope) -> Iterator[None]:
        """Around what a developer wrote, and nothing else: only there may `stop` cancel the task."""
        task = asyncio.current_task()
        assert task is not None
        self.running[activation] = self.station.now()
        try:
            yield
        except asyncio.CancelledError:
            if not task.cancelling():  # something in the handler was cancelled, not the turn
                raise AgentFailed(
                    f"{activation.address} failed on `{envelope.type}`: something that it waited for was cancelled. "
                    "Its state is as before."
                ) from None
            if activation.stopped_at is None or self.runners.stopped:
                raise
            forget_cancellation(task)
            raise DeadlinePassed(
                f"{activation.address} worked on `{envelope.type}` until its deadline and was stopped. "
                "Its state is as before."
            ) from None
        finally:
            activation.stopped_at = None
            self.running.pop(activation, None)

    def stop(self, activation: "Activation") -> bool:
        """Interrupts the handler that runs: it is past its deadline. It may clean up for a while before it is
        interrupted again. False if none runs: nothing of our own is to be interrupted."""
        if activation.task is None or activation not in self.running:
            return False
        now = self.station.now()
        if activation.stopped_at is None or now - activation.stopped_at > CLEAN_UP_SECONDS:
            activation.stopped_at = now
            activation.task.cancel()
        return True

    def longest_turn(self, held: Held) -> float:
        """For how many seconds a turn in the shard has lasted; 0 if none runs."""
        began = [began for activation, began in self.running.items() if activation.held == held]
        return max(self.station.now() - min(began), 0.001) if began else 0.0

    async def stop_late_turns(self) -> None:
        while True:
            await asyncio.sleep(LOOK_FOR_LATE_TURNS_EVERY)
            if self.running:
                self._stop_late_turns()

    def _stop_late_turns(self) -> None:
        now, clock = self.station.now(), self.station.clock()
        for activation, began in list(self.running.items()):
            entry = activation.in_turn
            if entry is None:
                continue
            deadline = entry.envelope.deadline
            if (deadline is not None and clock > deadline) or (
                now - began > activation.kind.options.turn_timeout.total_seconds()
            ):
                self.stop(activation)


def unforeseen(activation: "Activation", envelope: Envelope, error: BaseException) -> AgentFailed:
    return AgentFailed(f"{activation.address} failed on `{envelope.type}`: {said(error)}. Its state is as before.")


def said(error: BaseException) -> str:
    """What a developer's code raised. Of pydantic's report the problems, as of a wrong value for a field."""
    what = "; ".join(problems(error)) if isinstance(error, ValidationError) else str(error)
    name = error.title if isinstance(error, ValidationError) else type(error).__name__
    return f"{name}: {what.rstrip('.')}"


async def _call(handler: Callable[[Message], Awaitable[object]], envelope: Envelope) -> object:
    message = parse_stored(envelope.type, envelope.version, envelope.body)
    if not envelope.trace:
        return await handler(message)
    with span(f"handle {envelope.type}", envelope.trace, **{"resprout.agent": envelope.recipient}):
        return await handler(message)


def _replied(activation: "Activation", reply: object, handler: Handler) -> Replied:
    if not isinstance(reply, handler.reply or type(None)):
        expected = f"a {handler.reply.__name__}" if handler.reply is not None else "None"
        raise AgentFailed(
            f"{activation.kind.__name__}.{handler.method} of {activation.address} must return {expected}, "
            f"and returned {described(reply)}. "
            "Mend the handler or its annotation; its state is as before."
        )
    if not isinstance(reply, Message):
        return Replied()
    try:
        body = reply.model_dump_json()
    except PydanticSerializationError:
        raise AgentFailed(
            f"the reply `{reply.message_name}` of {activation.address} cannot be stored as JSON: {why_no_json(reply)}. "
            "Its state is as before."
        ) from None
    refuse_large(body, "the reply `%s` of %s", reply.message_name, activation.address)
    return Replied(type=reply.message_name, version=reply.message_version, body=body)


def _as_json(activation: "Activation", after: Agent) -> str:
    try:
        state = after.model_dump_json()
    except PydanticSerializationError:
        raise AgentFailed(
            f"the state of {activation.address} cannot be stored as JSON: {why_no_json(after)}. It is as before."
        ) from None
    refuse_large(state, "the state of %s", activation.address, limit=activation.kind.options.bounds.state_bytes)
    return state
