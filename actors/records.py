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
from .agent import agent_class
from .batching import Batcher
from .envelope import Replied
from .mailbox import Entry
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
        self.lookups: Batcher[tuple[AgentAddress, UUID], Replied | None] = Batcher(station.store.replies)
        self.recent: OrderedDict[tuple[AgentAddress, int], Replied] = OrderedDict()  # of ephemeral agents

    async def read(self, activation: "Activation") -> Snapshot:
        if activation.kind.options.ephemeral:
            return Snapshot(None, 1, 0)
        return await self.reads.submit(activation.address)

    async def reply_of(self, address: AgentAddress, message_id: UUID) -> Replied | None:
        if agent_class(address.kind).options.ephemeral:
            return self.recent.get((address, message_id.int))
        return await self.lookups.submit((address, message_id))

    def remember(self, address: AgentAddress, message_id: UUID, reply: Replied) -> None:
        """An ephemeral agent's turn has ended: it is in memory, which is all that was promised."""
        self.recent[address, message_id.int] = reply
        if len(self.recent) > self.most_recent:
            self.recent.popitem(last=False)

    async def write_down(self, activation: "Activation", entry: Entry) -> bool:
        """That the turn of a suspect begins: it may be what ends this host. False if it is not ours to begin."""
        kept = await self.beginnings.submit(Beginning(activation.held, activation.address, entry.envelope.id))
        if not kept:
            self.lose(activation.held)
        return kept
