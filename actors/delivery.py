"""One host's agents: their parts, put together, and the shards that come and go under them.

    reception    what comes in from other agents and from callers
    collection   what waits in the store for its agents
    ticks        what they wanted to be reminded of
    population   those that are in memory; passivation, how they leave it
    holdings     the shards that the host has; backlog, what waits here
    handling     handlers at work; commits, how their turns become durable
    failing      what becomes of messages whose turns fail; burial, where most of these end
    strangers    messages that only the code of other hosts knows
    records      what agents read of their past; outlet, what goes out

The invariant: a message is answered with an acceptance or a reply only after the store has it. Everything that is
in memory here can be lost at any moment, and another host goes on from the store.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from .activation import Activation
from .address import AgentAddress
from .agent import Agent
from .backlog import Backlog
from .burial import Burial
from .collection import Collection
from .commits import Commits
from .envelope import Envelope
from .errors import Moved
from .failing import Failing
from .handling import Handling
from .holdings import Holdings
from .limits import USUAL, Limits
from .logger import get_logger
from .mailbox import Answer
from .outlet import Outlet, Outside
from .passivation import Passivation
from .population import Population
from .reception import Reception
from .records import Records
from .runners import Runners
from .shards import View
from .station import Station
from .store import Held, Store
from .strangers import Strangers
from .surroundings import Surroundings
from .ticks import Ticks

log = get_logger("resprout.host")


class Delivery:
    def __init__(
        self,
        host: UUID,
        store: Store,
        outside: Outside,
        clock: Callable[[], datetime],
        limits: Limits = USUAL,
    ) -> None:
        self.station = station = Station(host, store, clock, limits)
        self.mail_waits, self.reminders_changed = asyncio.Event(), asyncio.Event()
        self.holdings = holdings = Holdings(host)
        self.backlog = backlog = Backlog(limits, holdings, self.mail_waits)
        self.population = population = Population(station, backlog, self._activate)
        self.outlet = Outlet(station, outside, holdings, self.mail_waits, self.reminders_changed)
        self.records = Records(station, self.lost)
        self.burial = Burial(station, holdings, self.lost, self.outlet.wake)
        self.strangers = Strangers(station, holdings, self.burial)
        self.collection = Collection(station, holdings, population, backlog, self.burial, self.strangers)
        self.reception = Reception(
            station, holdings, population, backlog, self.collection, self.records, self.strangers, self.lost
        )
        self.passivation = Passivation(station, holdings, population, backlog, self.collection)
        self.ticks = Ticks(station, holdings, self.mail_waits, self.reminders_changed)
        self.runners = Runners()
        self.handling = Handling(station, self.runners, self.outlet)
        self.commits = Commits(station, self.records, self.outlet, self.lost)
        self.surroundings = Surroundings(
            station=station,
            runners=self.runners,
            records=self.records,
            backlog=backlog,
            handling=self.handling,
            commits=self.commits,
            failing=Failing(station, self.burial, self.strangers),
            broke=self._broke,
        )

    def _activate(self, address: AgentAddress, kind: type[Agent], held: Held) -> Activation:
        return Activation(self.surroundings, address, kind, held)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.collection.run())
            tasks.create_task(self.ticks.run())
            tasks.create_task(self.handling.stop_late_turns())
            tasks.create_task(self.passivation.run())

    def receive(self, envelope: Envelope, answer: Answer) -> None:
        self.reception.receive(envelope, answer)

    async def stop(self, address: AgentAddress) -> bool:
        return await self.passivation.stop(address)

    # Shards that come and go.

    def see(self, view: View) -> None:
        for held in self.holdings.see(view):
            self.lost(held)
        self.own(self.holdings.missing())

    def own(self, held: Sequence[Held]) -> None:
        """Opens as soon as the mail that waits in the store is ahead of all that will come."""
        new = [one for one in held if self.holdings.under(one.id) is None]
        if not new:
            return
        for one in new:
            self.holdings.add(one)
        self.station.background.spawn(self.open(new))

    async def open(self, new: Sequence[Held]) -> None:
        while not await self.collection.collect(new):
            if self.backlog.behind:
                break
        for held in new:
            self.holdings.opened(held)
        self.reminders_changed.set()
        if self.backlog.behind:
            self.mail_waits.set()

    async def leave(self, held: Held) -> None:
        """Ends what runs in the shard. Afterwards nothing here touches it, and it can be given back."""
        self.holdings.leaves(held)
        await self.passivation.leave(held)

    def left(self, held: Held) -> None:
        """It was given back."""
        self._no_longer(held)

    def lost(self, held: Held) -> None:
        log.warning("shard lost", shard=held.id, epoch=held.epoch)
        self._no_longer(held)

    def lose_all(self) -> None:
        for held in list(self.holdings):
            self.lost(held)

    def _no_longer(self, held: Held) -> None:
        """What is in memory under this epoch goes, even when the shard is ours again under a newer one."""
        self.holdings.drop(held)
        for activation in self.population.of(held):
            activation.cut(Moved(f"{activation.address} has moved to another host. Ask again."))
            self.population.drop(activation)

    def _broke(self, activation: Activation) -> None:
        """Its rows count as in memory and are not any more: they are collected again, under a new epoch."""
        self.population.drop(activation)
        if self.holdings.has(activation.held):
            self.holdings.doubt([activation.held])
