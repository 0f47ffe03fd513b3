"""How agents leave memory: idle ones when they are too many or were so for long, others when they are told to.

The invariant: an agent is put away between two turns, and what is stored for it goes on in its next activation, in the
order in which it came.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .address import AgentAddress
from .backlog import Backlog
from .collection import Collection
from .holdings import Holdings
from .logger import get_logger
from .mailbox import Entry
from .population import Population
from .station import Station
from .store import Held

if TYPE_CHECKING:
    from .activation import Activation

log = get_logger("resprout.host")

LOOK_EVERY = 2.0
GOODBYE_SECONDS = 5.0  # what `passivated` may take: a shard is given back after those of all its agents


class Passivation:
    def __init__(
        self, station: Station, holdings: Holdings, population: Population, backlog: Backlog, collection: Collection
    ) -> None:
        self.station = station
        self.now = station.now
        self.holdings = holdings
        self.population = population
        self.backlog = backlog
        self.collection = collection

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await self._put_idle_away()

    async def _put_idle_away(self) -> None:
        """Those that were idle for long; and when there are too many, those least in use."""
        oldest = self.now() - self.station.limits.idle.total_seconds()
        active = self.population.active
        idle = [activation for activation in active.values() if activation.idle]
        too_many = len(active) - self.station.limits.most_in_memory
        if too_many > 0:
            idle.sort(key=lambda activation: (activation.heat, activation.used_at))
        for number, activation in enumerate(idle):
            if (number < too_many or activation.used_at < oldest) and activation.idle:
                await self._put_away(activation)
            activation.heat //= 2

    async def stop(self, address: AgentAddress) -> bool:
        """Takes an agent out of memory after the turn it is in. Whether it was there."""
        activation = self.population.active.get(address)
        if activation is None:
            return False
        waiting = await activation.close()
        self._hand_over(activation, waiting)
        await self._put_away(activation)
        return True

    async def leave(self, held: Held) -> None:
        """All that are in the shard, after their turns."""
        await self.population.end_turns(held)
        for activation in self.population.of(held):
            await self._put_away(activation)

    def _hand_over(self, activation: "Activation", waiting: Sequence[Entry]) -> None:
        """Told messages do not go away with the agent: they are the first of its next activation, in their order."""
        if not self.population.has(activation):
            return  # its shard was lost meanwhile
        self.population.drop(activation)
        held = self.holdings.kept(activation.address)
        left = [*waiting, *activation.left_over]
        if held is None or not (left or activation.behind):
            return
        after = self.population.at(activation.address, activation.kind, held)
        if activation.more_waits:
            self.backlog.left_behind(after)
        after.left_out = activation.left_out  # shared: those that are on their way into the store are struck out of it
        for entry in left:
            self.collection.put(after, entry)

    async def _put_away(self, activation: "Activation") -> None:
        activation.closing = True
        self.population.drop(activation)
        if activation.agent is not None:
            try:
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await activation.agent.passivated()
            except Exception:
                log.exception("passivated() failed", agent=str(activation.address))
