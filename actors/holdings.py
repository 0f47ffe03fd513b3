"""The shards that a host has, each under the epoch at which it got it, and what it may do with them.

    opening  its older mail is on the way into memory: nothing new is taken in that could overtake it
    open     messages are taken in for its agents
    doubted  the store may have marked rows as in memory here that are not: an answer of it was lost. Nothing is taken
             in, it would overtake those rows, until the shard is claimed anew
    leaving  on its way out: nothing is put into memory, whoever has it next collects everything

The invariant: a shard that is held under another epoch is another one. Whoever waited for something asks again whether
the host still `has` what it had before.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from .address import AgentAddress
from .errors import Moved
from .shards import Shard, View, by_slot, shard_of, slot_of
from .store import Held

State = Literal["opening", "open", "doubted", "leaving"]


@dataclass(slots=True)
class Holding:
    held: Held
    state: State = "opening"


class Holdings:
    def __init__(self, host: UUID) -> None:
        self.host = host
        self.view = View({}, (), {})
        self.shards: dict[tuple[str, int], Shard] = {}
        self.by_shard: dict[int, Holding] = {}
        self.on_doubt: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        return len(self.by_shard)

    def __iter__(self) -> Iterator[Held]:
        return iter([holding.held for holding in self.by_shard.values()])

    # What is where.

    def shard_of(self, address: AgentAddress) -> Shard | None:
        return shard_of(address, self.shards)

    def has_pool(self, address: AgentAddress) -> bool:
        """Whether its kind has shards of its own, as far as is known here."""
        return (address.kind, slot_of(address)) in self.shards

    def taking_in(self, address: AgentAddress) -> Held:
        """The agent's shard, if messages are taken in for it."""
        shard = shard_of(address, self.shards)
        holding = self.by_shard.get(shard.id) if shard is not None else None
        if holding is None or holding.state != "open":
            raise Moved(f"{address} is not on this host. Ask again.")
        return holding.held

    def kept(self, address: AgentAddress) -> Held | None:
        """The agent's shard, unless whoever has it next collects everything anew."""
        shard = shard_of(address, self.shards)
        holding = self.by_shard.get(shard.id) if shard is not None else None
        return holding.held if holding is not None and holding.state in ("opening", "open") else None

    def under(self, shard_id: int) -> Held | None:
        """The shard under its epoch, if it is here."""
        holding = self.by_shard.get(shard_id)
        return holding.held if holding is not None else None

    def has(self, held: Held) -> bool:
        return self.under(held.id) == held

    def which_are(self, *states: State) -> set[Held]:
        return {holding.held for holding in self.by_shard.values() if holding.state in states}

    def are(self, held: Held, *states: State) -> bool:
        holding = self.by_shard.get(held.id)
        return holding is not None and holding.held == held and holding.state in states

    # What becomes of it.

    def see(self, view: View) -> list[Held]:
        """Learns who has what now. Returns those that are not ours any more."""
        self.view = view
        self.shards = by_slot(view.shards)
        mine = {shard.id: shard.epoch for shard in view.shards if shard.host == self.host}
        return [held for held in self if mine.get(held.id) != held.epoch]

    def missing(self) -> list[Held]:
        """Ours, says the view, and not held yet."""
        mine = [one for one in self.view.shards if one.host == self.host]
        return [Held(one.id, one.epoch) for one in mine if one.id not in self.by_shard]

    def add(self, held: Held) -> None:
        self.by_shard[held.id] = Holding(held)

    def opened(self, held: Held) -> None:
        if self.are(held, "opening"):
            self.by_shard[held.id].state = "open"

    def doubt(self, doubted: Iterable[Held]) -> None:
        """Those that are here; of what leaves it does not matter any more."""
        for held in doubted:
            if self.are(held, "opening", "open"):
                self.by_shard[held.id].state = "doubted"
        self.on_doubt()

    def leaves(self, held: Held) -> None:
        if self.has(held):
            self.by_shard[held.id].state = "leaving"

    def drop(self, held: Held) -> None:
        if self.has(held):
            del self.by_shard[held.id]
