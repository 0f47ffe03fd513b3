"""Reaching agents: goes to the host that has the shard, learns of moves from refusals, tries again with the same id.

Who has a shard may be out of date here: a host that does not have it refuses, and the fence in the store keeps two
hosts that both believe to have it apart. So routes are a matter of speed, not of correctness.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from .address import AgentAddress
from .envelope import Accepted, Envelope, Failed, Outcome, Replied
from .errors import (
    BY_NAME,
    Broken,
    DatabaseLost,
    DeadlinePassed,
    Draining,
    Moved,
    NotRunning,
    ResproutError,
    Unavailable,
)
from .shards import HostSeen, Shard, View, by_slot, shard_of
from .tracing import carried, span

FIRST_PAUSE = timedelta(milliseconds=20)
LONGEST_PAUSE = timedelta(milliseconds=500)


# An ask may be innocent of the end of a host that had it; not of two ends in its own turn, nor of so many in all. As
# with told messages, the first end only makes it suspect: from then on its hosts say when its turn begins.
MOST_ENDS_IN_TURN = 2
MOST_HOSTS_LOST = 5


class Lost(Exception):
    """The connection broke: whether the message arrived is unknown, unless it was never `sent`."""

    def __init__(self, text: str, *, sent: bool = True, begun: bool = False) -> None:
        super().__init__(text)
        self.sent = sent
        self.begun = begun  # its turn had begun, as far as that was asked


class Losses:
    """The hosts that were lost while they had one ask."""

    def __init__(self) -> None:
        self.hosts: set[UUID] = set()
        self.in_turn: set[UUID] = set()

    def add(self, host: UUID, error: Lost) -> None:
        if error.sent:
            self.hosts.add(host)
        if error.begun:
            self.in_turn.add(host)

    @property
    def are_too_many(self) -> bool:
        return len(self.in_turn) >= MOST_ENDS_IN_TURN or len(self.hosts) >= MOST_HOSTS_LOST

    def __str__(self) -> str:
        in_turn = f", {len(self.in_turn)} of them in its turn" if self.in_turn else ""
        return f"{len(self.hosts)} hosts were lost one after the other while they had it{in_turn}"


class Transport(Protocol):
    def send(self, host: HostSeen, envelope: Envelope, until: datetime) -> Awaitable[Outcome]:
        """Raises Lost; DeadlinePassed when no outcome came in time."""
        ...

    async def view(self) -> View | None:
        """From whoever knows; None when nobody answers."""
        ...

    def cancel(self, host: HostSeen, envelope: Envelope) -> None:
        """Nobody wants the answer any more. May get lost."""
        ...


class Routes:
    def __init__(self) -> None:
        self.hosts: Mapping[UUID, HostSeen] = {}
        self.shards: dict[tuple[str, int], Shard] = {}

    def learn(self, view: View) -> None:
        self.hosts, self.shards = view.hosts, by_slot(view.shards)

    def host_of(self, address: AgentAddress) -> HostSeen | None:
        shard = shard_of(address, self.shards)
        return self.hosts.get(shard.host) if shard is not None and shard.host is not None else None


class Caller:
    def __init__(self, transport: Transport, clock: Callable[[], datetime]) -> None:
        self.transport = transport
        self.clock = clock
        self.routes = Routes()
        self.looking: asyncio.Task[None] | None = None
        self.is_blind = False  # nobody answered when it last looked for hosts

    async def ask(self, envelope: Envelope) -> Replied:
        assert envelope.deadline is not None
        outcome = await self.call(envelope, envelope.deadline)
        assert isinstance(outcome, Replied)
        return outcome

    async def tell(self, envelope: Envelope, until: datetime) -> None:
        await self.call(envelope, until)

    def cancel(self, envelope: Envelope) -> None:
        """Takes back an ask that is on its way or in its turn."""
        host = self.routes.host_of(AgentAddress.parse(envelope.recipient))
        if host is not None:
            self.transport.cancel(host, envelope)

    async def call(self, envelope: Envelope, until: datetime) -> Replied | Accepted:
        address = AgentAddress.parse(envelope.recipient)
        if envelope.trace:
            with span("agent.call", envelope.trace, **{"resprout.agent": envelope.recipient}):
                return await self._call(address, envelope.model_copy(update={"trace": carried()}), until)
        return await self._call(address, envelope, until)

    async def _call(self, address: AgentAddress, envelope: Envelope, until: datetime) -> Replied | Accepted:
        pause = FIRST_PAUSE
        losses = Losses()
        while True:
            outcome = await self._attempt(address, envelope, until, losses)
            if losses.are_too_many and envelope.way == "ask":  # a told one is buried by its hosts
                raise _deadly(address, envelope, losses)
            if isinstance(outcome, Replied | Accepted):
                return outcome
            error = _error(outcome)
            if not isinstance(error, Moved | Draining | DatabaseLost | NotRunning):
                raise error
            left = until - self.clock()
            if left <= timedelta(0):
                last = f"; {losses}; last: {error}" if len(losses.hosts) > 1 else f"; last: {error}"
                raise _too_late(address, envelope, f"{last}{BLIND if self.is_blind else ''}")
            await asyncio.sleep(min(pause, left).total_seconds())
            pause = min(pause * 2, LONGEST_PAUSE)
            await self.look()
            envelope = envelope.model_copy(update={"attempt": envelope.attempt + 1, "lost": len(losses.hosts)})

    async def _attempt(self, address: AgentAddress, envelope: Envelope, until: datetime, losses: Losses) -> Outcome:
        host = self.routes.host_of(address)
        if host is None:
            await self.look()
            host = self.routes.host_of(address)
        if host is None:
            return Failed(error="NotRunning", text=f"no host has {address} now.")
        try:
            return await self.transport.send(host, envelope, until)
        except DeadlinePassed:  # the transport does not know what it carries
            raise _too_late(address, envelope, ".") from None
        except Lost as error:
            losses.add(host.id, error)
            return Failed(error="DatabaseLost", text=str(error))

    async def look(self) -> None:
        """Asks for the newest routes; those who want them at the same time share one question."""
        if self.looking is None:
            self.looking = asyncio.create_task(self._look())
        await asyncio.shield(self.looking)

    async def _look(self) -> None:
        try:
            view = await self.transport.view()
            self.is_blind = view is None
            if view is not None:
                self.routes.learn(view)
        finally:
            self.looking = None


BLIND = ". Nobody who knows hosts answers, neither Postgres nor a host: is the stack running (`resprout status`)?"


def _too_late(address: AgentAddress, envelope: Envelope, last: str) -> DeadlinePassed:
    did, again = ("answer", "Ask") if envelope.way == "ask" else ("accept", "Tell")
    return DeadlinePassed(
        f"{address} did not {did} `{envelope.type}` in time{last} "
        f"{again} again with the same id, {envelope.id}: it is done once, however often you do."
    )


def _deadly(address: AgentAddress, envelope: Envelope, losses: Losses) -> Broken:
    return Broken(
        f"{address} did not answer `{envelope.type}`: {losses}. Whether it was handled is unknown; its handler may be "
        "what ends hosts: one that blocks the event loop (`time.sleep`, long computing) or ends the process. Look at "
        f"the host's log; ask again with the same id, {envelope.id}, to learn more."
    )


def _error(outcome: Failed) -> ResproutError:
    kind = BY_NAME.get(outcome.error, Broken)
    return kind(outcome.text, outcome.retry_after) if issubclass(kind, Unavailable) else kind(outcome.text)
