"""One schedule: hosts, clients and agents, a storm drawn from the seed, and then the calm in which all must end well.

    with the seed    the number of hosts, agents and messages; what the clients say; each latency and each fault
    in the storm     kill -9, SIGSTOP beyond the lease, draining, hosts that come, outages, hosts cut off the database
    in the calm      clients learn the outcome of everything, mail and reminders drain, every agent answers a probe

The clocks of hosts differ a little. The world is small on purpose: short schedules, thousands of them a minute.
"""

import asyncio
import hashlib
import itertools
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from resprout.actors.address import AgentAddress

from .agents import WARDEN, Note
from .client import SimClient
from .database import Message, SimDatabase, Switches
from .host import LIMITS, SimHost
from .loop import SimulatedLoop
from .network import Network
from .store import SimStore
from .weather import Weather

STORM_SECONDS = 3.0
DRAINS_WITHIN = 40.0  # virtual seconds of calm
MOST_HOSTS = 4


class NotDrained(Exception):
    """The bounded time is over, and something still waits."""


@dataclass
class Record:
    """What is left of a schedule when it is over."""

    seed: int
    database: SimDatabase
    weather: Weather
    trace: str = ""
    seconds: float = 0.0
    steps: int = 0
    acknowledged: list[Message] = field(default_factory=list)
    waits: str = ""  # what had not drained; empty when all had
    failures: list[str] = field(default_factory=list)  # what no one caught
    hosts: list[SimHost] = field(default_factory=list)  # alive at the end


class World:
    def __init__(self, seed: int, switches: Switches, rough: tuple[float, ...]) -> None:
        chance = random.Random(seed)
        self.chance = chance
        self.loop = SimulatedLoop(chance)  # type: ignore[abstract]  # what it lacks nobody calls
        self.weather = Weather(chance, rough)
        self.agents = [AgentAddress("sim-ledger", str(n)) for n in range(chance.randint(2, 4))]
        self.database = SimDatabase([*self.agents, AgentAddress.parse(WARDEN)], switches)
        self.network = Network(self.loop, self.weather)
        self.record = Record(seed, self.database, self.weather)
        roomy = chance.random() < 0.7
        self.limits = replace(
            LIMITS,
            mail_in_memory=50_000 if roomy else 4,
            mail_of_one_agent=chance.choice((2, 1_000)),
            most_in_memory=chance.choice((1, 20_000)),
        )
        self.numbers = itertools.count(1)
        self.graves: list[SimHost] = []  # held on to: see loop.py
        self.stood_still: list[SimHost] = []
        self.past = hashlib.blake2b()

    def run(self) -> Record:
        record = self.record
        try:
            self.loop.simulate(self._schedule())
        except NotDrained as error:
            record.waits = str(error)
        record.hosts = [host for host in self.hosts if host.process.runs]
        record.failures += [f"{what.get('message')}: {what.get('exception')!r}" for what in self.loop.failures]
        record.seconds, record.steps = self.loop.time(), self.loop.steps
        self._say(f"{self.loop.steps} steps, {self.chance.random()}, {self.database.writes}")
        record.trace = self.past.hexdigest()
        return record

    def _say(self, what: str) -> None:
        self.past.update(f"{self.loop.time()} {what}\n".encode())

    @property
    def hosts(self) -> list[SimHost]:
        return list(self.network.hosts.values())

    # From the storm to the calm.

    async def _schedule(self) -> None:
        for _ in range(self.chance.randint(1, 3)):
            self._add_host()
        clients = [
            SimClient(f"client-{n}", self.loop, self.network, self.agents) for n in range(self.chance.randint(2, 4))
        ]
        living = [client.begin(self.chance.randint(4, 10)) for client in clients]
        await self._storm()
        try:
            async with asyncio.timeout(DRAINS_WITHIN):
                await asyncio.gather(*living)
                await self._drained()
                prober = SimClient("prober", self.loop, self.network, self.agents)
                for agent in self.agents:
                    await prober.say(agent, Note)
                await self._drained()
        except TimeoutError:
            raise NotDrained(self._what_waits(living)) from None
        finally:
            for client in clients:
                self.record.acknowledged += client.acknowledged

    async def _drained(self) -> None:
        while self._busy():
            await asyncio.sleep(0.1)

    def _busy(self) -> bool:
        database = self.database
        return (
            bool(database.mailbox or database.reminders)
            or any(host.busy or host.tenure.draining for host in self.hosts)
            or any(shard.host not in {host.id for host in self.hosts} for shard in database.shards.values())
            or not self._fair()
        )

    def _fair(self) -> bool:
        counts = [len(host.delivery.holdings.which_are("open", "doubted")) for host in self.hosts]
        return max(counts) - min(counts) <= 1

    def _what_waits(self, living: "list[asyncio.Task[None]]") -> str:
        database = self.database
        rows = [
            f"{row.envelope.type} for {row.address} (in memory: {row.in_memory})" for row in database.mailbox.values()
        ]
        shares = {host.name: [*host.delivery.holdings] for host in self.hosts}
        busy = [str(a.address) for host in self.hosts for a in host.delivery.population.active.values() if not a.idle]
        clients = sum(not one.done() for one in living)
        return (
            f"{clients} clients wait; rows: {rows}; reminders: {[*database.reminders]}; busy agents: {busy}; "
            f"shards: {shares} of {len(database.shards)}"
        )

    # Hosts that come and go.

    def _add_host(self) -> None:
        name = f"host-{next(self.numbers)}"
        self._say(f"{name} begins")
        host = SimHost(name, self.loop, self.database, self.network, self.limits, self._ended)
        for task in host.tasks:
            task.add_done_callback(self._look_at_end, context=self.loop.world.context)

    def _look_at_end(self, task: "asyncio.Task[None]") -> None:
        if (error := task.exception()) is not None:
            self.record.failures.append(f"a host's work ended: {error!r}")

    def _ended(self, host: SimHost, how: str) -> None:
        if how == "drained":
            self.weather.hit["drain"] += 1
        elif host in self.stood_still:
            self.weather.hit["stop"] += 1
        self._end(host, how)

    def _end(self, host: SimHost, how: str) -> None:
        self._say(f"{host.name} ends: {how}")
        self.loop.kill(host.process)
        self.graves.append(host)
        self.network.broke(host)
        if (row := self.database.hosts.get(host.id)) is not None:
            row.session = False
        self._soon(self.chance.random() * 0.5, self._replace)

    def _replace(self) -> None:
        if len(self.hosts) < 2:
            self._add_host()

    def _soon(self, seconds: float, call: Callable[..., None], *args: object) -> None:
        self.loop.call_later(seconds, call, *args, context=self.loop.world.context)

    # The storm.

    async def _storm(self) -> None:
        blows: list[Callable[[], Awaitable[None] | None]] = [
            self._kill, self._kill, self._stop, self._stop, self._drain, self._outage, self._cut, self._more_hosts
        ]  # fmt: skip
        blows = self.chance.sample(blows, self.chance.randint(0, 4))
        for blow in blows:
            await asyncio.sleep(self.chance.random() * 2 * STORM_SECONDS / (len(blows) + 1))
            blow()
        await asyncio.sleep(max(0.0, STORM_SECONDS - self.loop.time()))
        self.weather.stormy = False

    def _any_host(self) -> SimHost | None:
        return self.chance.choice(self.hosts) if self.hosts else None

    def _fires(self, fault: str, host: SimHost | None) -> None:
        self.weather.fired[fault] += 1
        self._say(f"{fault} {host.name if host else ''}")

    def _kill(self) -> None:
        if (host := self._any_host()) is not None:
            self._fires("kill", host)
            self.weather.hit["kill"] += host.busy
            self._end(host, "killed")

    def _stop(self) -> None:
        if (host := self._any_host()) is not None:
            self._fires("stop", host)
            self.stood_still.append(host)
            self.loop.stop_process(host.process)
            self._soon(self.chance.uniform(0.2, 4.0), self.loop.resume, host.process)

    def _drain(self) -> None:
        if (host := self._any_host()) is not None and not host.tenure.draining:
            self._fires("drain", host)
            host.process.context.run(asyncio.create_task, host.tenure.drain())
            if len(self.hosts) < MOST_HOSTS:
                self._add_host()

    def _outage(self) -> None:
        self._fires("outage", None)
        self.database.down = True
        self._soon(self.chance.uniform(0.1, 2.5), self._up)

    def _up(self) -> None:
        self.database.down = False

    def _cut(self) -> None:
        if (host := self._any_host()) is not None:
            self._fires("cut", host)
            host.store.cut = True
            self._soon(self.chance.uniform(0.1, 3.0), self._mend, host.store)

    def _mend(self, store: SimStore) -> None:
        store.cut = False

    def _more_hosts(self) -> None:
        if len(self.hosts) < MOST_HOSTS:
            self._add_host()


def simulate(
    seed: int,
    switches: Switches = Switches(),  # noqa: B008
    rough: tuple[float, ...] = (0.0, 0.03, 0.1),
) -> Record:
    return World(seed, switches, rough).run()
