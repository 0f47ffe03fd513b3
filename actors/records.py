"""What an agent reads of its past: its state, the replies that it gave, and that a turn of it began.

The invariant: it is read from the store, where other hosts wrote it; only of ephemeral agents the host itself remembers
the last replies.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from .address import AgentAddress
from .batching import Batcher
from .envelope import Envelope, Replied
from .kinds import agent_class
from .mailbox import Entry
from .marks import Mark, digest_of
from .station import Station
from .store import Beginning, Held, Snapshot

if TYPE_CHECKING:
    from .activation import Activation


class Records:
    def __init__(self, station: Station, lose: Callable[[Held], None]) -> None:
        self.most_recent = station.limits.most_in_memory
        self.lose = lose
        self.beginnings: Batcher[Beginning, bool] = Batcher(partial(station.store.begin, station.host))
        self.reads: Batcher[AgentAddress, Snapshot] = Batcher(station.store.load)
        self.lookups: Batcher[tuple[AgentAddress, UUID], Mark | None] = Batcher(station.store.marks)
        self.recent: OrderedDict[tuple[AgentAddress, int], Mark] = OrderedDict()  # of ephemeral agents

    async def read(self, activation: "Activation") -> Snapshot:
        if activation.kind.options.ephemeral:
            return Snapshot(None, 1, 0)
        return await self.reads.submit(activation.address)

    async def reply_to(self, address: AgentAddress, envelope: Envelope) -> Replied | None:
        """None if it was not handled. Raises IdTaken if another one was, under its id."""
        if agent_class(address.kind).options.ephemeral:
            mark = self.recent.get((address, envelope.id.int))
        else:
            mark = await self.lookups.submit((address, envelope.id))
        return mark.reply_to(envelope) if mark is not None else None

    def remember(self, address: AgentAddress, envelope: Envelope, reply: Replied) -> None:
        """An ephemeral agent's turn has ended: it is in memory, which is all that was promised."""
        self.recent[address, envelope.id.int] = Mark(reply, envelope.type, digest_of(envelope.version, envelope.body))
        if len(self.recent) > self.most_recent:
            self.recent.popitem(last=False)

    async def write_down(self, activation: "Activation", entry: Entry) -> bool:
        """That the turn of a suspect begins: it may be what ends this host. False if it is not ours to begin."""
        kept = await self.beginnings.submit(Beginning(activation.held, activation.address, entry.envelope.id))
        if not kept:
            self.lose(activation.held)
        return kept
