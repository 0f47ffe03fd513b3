"""What leaves a host: asks of its agents, what they tell without a commit, and word of the mail that it put elsewhere.

The invariant: what durable agents tell is in the store with their commit, so whatever leaves here beside it may get
lost. Only what is told to ephemeral agents exists nowhere else, and nobody was promised that it arrives.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from .address import AgentAddress
from .envelope import Envelope, Replied
from .errors import ResproutError
from .holdings import Holdings
from .kinds import agent_class
from .lanes import Pending
from .shards import HostSeen
from .station import Station
from .store import Committed
from .turn import Effects

ASK_PATIENCE = timedelta(seconds=30)  # of a turn that named no deadline
TELL_PATIENCE = timedelta(seconds=10)


class Outside(Protocol):
    """What a host needs from the world besides the store."""

    async def ask(self, envelope: Envelope) -> Replied: ...

    async def tell(self, envelope: Envelope, until: datetime) -> None: ...

    def wake(self, host: HostSeen) -> None:
        """There may be mail for it. May get lost."""
        ...


class Outlet:
    def __init__(
        self,
        station: Station,
        outside: Outside,
        holdings: Holdings,
        mail_waits: asyncio.Event,
        reminders_changed: asyncio.Event,
    ) -> None:
        self.station = station
        self.clock = station.clock
        self.outside = outside
        self.holdings = holdings
        self.mail_waits = mail_waits
        self.reminders_changed = reminders_changed

    async def ask(self, envelope: Envelope) -> Replied:
        if envelope.deadline is None:
            envelope = envelope.model_copy(update={"deadline": self.clock() + ASK_PATIENCE})
        return await self.outside.ask(envelope)

    async def send_at_once(self, effects: Effects, deadline: datetime | None) -> None:
        """What an ephemeral agent tells: there is no commit that it could go out with."""
        until = deadline or self.clock() + ASK_PATIENCE
        for envelope in effects.sent:
            await self.outside.tell(envelope, until)

    def committed(self, turns: Sequence[Pending], outcome: Committed) -> None:
        for shard_id in outcome.woken:
            self.wake(shard_id)
        for turn in turns:
            effects = turn.handled.effects
            if effects is not None:
                if effects.reminders:
                    self.reminders_changed.set()
                self._tell_ephemeral(effects.sent)

    def _tell_ephemeral(self, sent: Iterable[Envelope]) -> None:
        for envelope in sent:
            if _is_ephemeral(envelope.recipient):
                self.station.background.spawn(self.outside.tell(envelope, self.clock() + TELL_PATIENCE))

    def wake(self, shard_id: int) -> None:
        if self.holdings.under(shard_id) is not None:
            self.mail_waits.set()
            return
        view = self.holdings.view
        shard = next((shard for shard in view.shards if shard.id == shard_id), None)
        if shard is not None and shard.host is not None and (host := view.hosts.get(shard.host)) is not None:
            self.outside.wake(host)


def _is_ephemeral(recipient: str) -> bool:
    try:
        return agent_class(AgentAddress.parse(recipient).kind).options.ephemeral
    except ResproutError:
        return False
