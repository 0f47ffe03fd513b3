"""A host as the runtime composes it, without its process and its sockets."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from resprout.actors.calls import Caller
from resprout.actors.delivery import Delivery
from resprout.actors.envelope import Envelope, Outcome, Replied
from resprout.actors.limits import Limits
from resprout.actors.shards import SHARED, HostSeen
from resprout.actors.store import HostRecord, LeaseLost
from resprout.actors.tenure import Tenure

from .database import BEGAN, SimDatabase
from .loop import Process, SimulatedLoop
from .network import Network
from .store import SimStore

LIMITS = Limits(lease=timedelta(seconds=2), margin=timedelta(seconds=0.4), idle=timedelta(seconds=3))
PULSE = timedelta(seconds=0.25)


class SimHost:
    def __init__(
        self,
        name: str,
        loop: SimulatedLoop,
        database: SimDatabase,
        network: Network,
        limits: Limits,
        ended: "Callable[[SimHost, str], None]",
    ) -> None:
        self.name = name
        self.loop = loop
        self.network = network
        self.limits = limits
        self.ended = ended
        self.process = Process(name)
        self.waiting: dict[asyncio.Future[Outcome], None] = {}  # in order: a set's would change from run to run
        chance = network.weather.chance
        self.id = UUID(int=chance.getrandbits(128))
        self.skew = chance.uniform(-0.05, 0.05)
        self.store = SimStore(database, loop, network.weather)
        network.hosts[name] = self
        self.process.context.run(self._open)

    def _open(self) -> None:
        self.caller = Caller(self.network, self.clock)
        self.delivery = Delivery(self.id, self.store, self, self.clock, self.limits)
        record = HostRecord(self.id, self.name, SHARED, self.name, "node", 1, "test")
        self.tenure = Tenure(record, self.store, self.delivery, pulse=PULSE, seen=self.caller.routes.learn)
        self.tasks = [asyncio.create_task(work) for work in (self._rule(), self._deliver())]

    async def _rule(self) -> None:
        try:
            await self.tenure.run()
        except LeaseLost:
            self.ended(self, "lease lost")
        else:
            await asyncio.sleep(0.2)  # says where its agents are now
            self.ended(self, "drained")

    async def _deliver(self) -> None:
        await self.delivery.run()

    def clock(self) -> datetime:
        return BEGAN + timedelta(seconds=self.loop.time() + self.skew)

    @property
    def busy(self) -> bool:
        return any(not activation.idle for activation in self.delivery.population.active.values())

    # What the delivery asks of the outside.

    async def ask(self, envelope: Envelope) -> Replied:
        return await self.caller.ask(envelope)

    async def tell(self, envelope: Envelope, until: datetime) -> None:
        await self.caller.tell(envelope, until)

    def wake(self, host: HostSeen) -> None:
        self.network.wake(host)
