"""The agents of a host that are in memory.

The invariant: an address has one activation at a time, and it lives under one epoch of its shard: when that is lost,
the activation goes with all that it has, even when the shard is ours again under a newer one.
"""

import asyncio
from collections.abc import Callable

from .activation import Activation
from .address import AgentAddress
from .agent import Agent
from .backlog import Backlog
from .station import Station
from .store import Held


class Population:
    def __init__(
        self,
        station: Station,
        backlog: Backlog,
        activate: Callable[[AgentAddress, type[Agent], Held], Activation],
    ) -> None:
        self.now = station.now
        self.backlog = backlog
        self.activate = activate
        self.active: dict[AgentAddress, Activation] = {}

    def at(self, address: AgentAddress, kind: type[Agent], held: Held) -> Activation:
        activation = self.active.get(address)
        if activation is None:
            activation = self.active[address] = self.activate(address, kind, held)
            activation.used_at = self.now()
        return activation

    def of(self, held: Held) -> list[Activation]:
        return [activation for activation in self.active.values() if activation.held == held]

    def has(self, activation: Activation) -> bool:
        return self.active.get(activation.address) is activation

    def drop(self, activation: Activation) -> None:
        self.backlog.deep.discard(activation)
        if self.has(activation):
            del self.active[activation.address]

    async def end_turns(self, held: Held) -> None:
        """No agent in the shard begins another one; what waits is refused, or taken from the store again."""
        await asyncio.gather(*(activation.close() for activation in self.of(held)))
