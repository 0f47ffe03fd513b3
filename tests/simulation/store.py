"""A store in memory with the semantics of the one in Postgres, and with all that can befall a call to it.

A call travels to the database, is done there in one moment, and its result travels back. The way there and the doing
do not belong to the host's process: a host that is killed with a request under way may have it done all the same.
Faults are drawn for each call (`Fate`); in every one the host learns no more than DatabaseLost.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from resprout.actors.address import AgentAddress
from resprout.actors.envelope import Envelope
from resprout.actors.errors import DatabaseLost, IdTaken
from resprout.actors.marks import Mark, digest_of, refuse_another
from resprout.actors.shards import HostSeen, Shard, View
from resprout.actors.store import (
    AcceptOutcome,
    Advance,
    Arrival,
    Arrived,
    Beginning,
    Collected,
    CommitOutcome,
    DueReminder,
    Fenced,
    Fired,
    FireOutcome,
    Full,
    Held,
    HostRecord,
    LeaseLost,
    Snapshot,
    Superseded,
)

from .commit import commit, outbox_of
from .database import HostRow, Message, Row, SimDatabase
from .loop import SimulatedLoop
from .weather import Fate, Weather

Result = TypeVar("Result")

SILENCE = timedelta(seconds=0.8)


class SimStore:
    """What one host sees of the database."""

    def __init__(self, database: SimDatabase, loop: SimulatedLoop, weather: Weather) -> None:
        self.database = database
        self.loop = loop
        self.weather = weather
        self.cut = False  # this host cannot reach the database

    async def _call(self, work: Callable[[], Result]) -> Result:
        reply: asyncio.Future[Result] = self.loop.create_future()
        fate = self.weather.fate()
        way = self.weather.latency()
        if fate in ("late", "slow"):
            way += self.weather.delay()
        if fate == "late":
            self._later(self.weather.latency(), _break, reply)
        self._later(way, self._arrives, work, fate, reply)
        return await reply

    def _later(self, seconds: float, call: Callable[..., None], *args: object) -> None:
        self.loop.call_later(seconds, call, *args, context=self.loop.world.context)

    def _arrives(self, work: Callable[[], Result], fate: Fate, reply: "asyncio.Future[Result]") -> None:
        database = self.database
        if database.down or self.cut or fate == "before":
            self._tally("outage" if database.down else "cut" if self.cut else "call before", hit=True)
            self._later(self.weather.latency(), _break, reply)
            return
        database.seconds = self.loop.time()
        back = self.weather.latency()
        before = len(database.writes)
        try:
            result = work()
        except LeaseLost as error:
            self._later(back, _fail, reply, error)
            return
        if fate != "well":
            self._tally(f"call {fate}", hit=len(database.writes) > before)
        if fate == "after":
            self._later(back, _break, reply)
        else:
            self._later(back, _settle, reply, result)

    def _tally(self, fault: str, *, hit: bool) -> None:
        self.weather.fired[fault] += 1
        self.weather.hit[fault] += hit

    # Hosts and shards.

    async def enrol(self, host: HostRecord, lease: timedelta) -> None:
        def work() -> None:
            self.database.hosts[host.id] = HostRow(host, self.database.now() + lease)
            self.database.open_pool(host.pool)

        await self._call(work)

    async def renew(self, host: UUID, lease: timedelta, waiting: Mapping[str, tuple[int, int]]) -> View:
        return await self._call(lambda: self._renew(host, lease, waiting))

    def _renew(self, host: UUID, lease: timedelta, waiting: Mapping[str, tuple[int, int]]) -> View:
        database = self.database
        row = database.hosts.get(host)
        if row is None or row.lease_until <= database.now():
            raise LeaseLost("not in the list of living hosts any more")
        row.lease_until = database.now() + lease
        row.waiting = dict(waiting)
        hosts, backlog = {}, dict[str, tuple[int, int]]()
        for other, seen in database.hosts.items():
            alive = database.is_alive(seen, lease, SILENCE)
            record = seen.record
            hosts[other] = HostSeen(other, record.name, record.pool, record.address, seen.draining, alive)
            if alive and other != host:
                for tenant, (rows, size) in seen.waiting.items():
                    before = backlog.get(tenant, (0, 0))
                    backlog[tenant] = (before[0] + rows, before[1] + size)
        return View(hosts, list(database.shards.values()), backlog)

    async def drain(self, host: UUID) -> None:
        def work() -> None:
            if (row := self.database.hosts.get(host)) is not None:
                row.draining = True

        await self._call(work)

    async def retire(self, host: UUID) -> None:
        await self._call(lambda: self.database.hosts.pop(host, None))

    async def claim(self, host: UUID, shards: Sequence[Shard], living: Sequence[UUID]) -> list[Held]:
        return await self._call(lambda: self._claim(host, shards, living))

    def _claim(self, host: UUID, wanted: Sequence[Shard], living: Sequence[UUID]) -> list[Held]:
        database = self.database
        held = []
        for seen in wanted:
            shard = database.shards.get(seen.id)
            if shard is None or shard.epoch != seen.epoch or shard.host in living:
                continue
            held.append(Held(shard.id, shard.epoch + 1))
            database.shards[shard.id] = Shard(shard.id, shard.pool, shard.slot, shard.epoch + 1, host)
            database.epochs.append(held[-1])
            for row in database.mailbox.values():
                if row.shard == shard.id and row.in_memory:
                    self._unload(row, died=seen.host is not None)
        return held

    def _unload(self, row: Row, *, died: bool) -> None:
        if died:
            row.suspect = True
            row.attempts += row.began
        row.in_memory = row.began = False

    async def release(self, host: UUID, held: Sequence[Held]) -> None:
        def work() -> None:
            for one in held:
                shard = self.database.shards.get(one.id)
                if shard is not None and shard.epoch == one.epoch and shard.host == host:
                    self.database.shards[one.id] = Shard(shard.id, shard.pool, shard.slot, shard.epoch, None)

        await self._call(work)

    async def dissolve(self, pool: str) -> bool:
        return await self._call(lambda: self.database.dissolve(pool))

    # Agents and their turns.

    async def load(self, agents: Sequence[AgentAddress]) -> list[Snapshot]:
        return await self._call(lambda: [self._load(agent) for agent in agents])

    def _load(self, agent: AgentAddress) -> Snapshot:
        stored = self.database.agents.get(agent)
        quarantined = self.database.quarantined.get(agent)
        if stored is None:
            return Snapshot(None, 1, 0, quarantined)
        return Snapshot(stored.state, stored.state_version, stored.version, quarantined)

    async def journal(self, agent: AgentAddress, first: int, last: int) -> list[str]:
        entries = await self._call(lambda: dict(self.database.journals.get(agent, {})))
        return [entry for number, entry in sorted(entries.items()) if first <= number <= last]

    async def marks(self, asked: Sequence[tuple[AgentAddress, UUID]]) -> list[Mark | None]:
        return await self._call(lambda: [self._mark(message) for message in asked])

    def _mark(self, message: Message) -> Mark | None:
        mark = self.database.mark_of(message)
        if mark is not None:
            self.database.mailbox.pop(message, None)
        return mark

    async def commit(self, host: UUID, advances: Sequence[Advance]) -> list[CommitOutcome]:
        outcomes = await self._call(lambda: commit(self.database, host, advances))
        if not self.database.switches.outbox:
            await self._call(lambda: outbox_of(self.database, advances, outcomes))
        return outcomes

    # Mail.

    async def accept(self, host: UUID, arrivals: Sequence[Arrival]) -> list[AcceptOutcome]:
        return await self._call(lambda: self._accept(host, arrivals))

    def _accept(self, host: UUID, arrivals: Sequence[Arrival]) -> list[AcceptOutcome]:
        room: dict[tuple[AgentAddress, tuple[int, int] | None], bool] = {
            (a.address, a.bounds): self.database.has_room(a.address, *a.bounds)
            for a in arrivals
            if a.bounds is not None
        }
        return [
            self._accept_one(host, a) if room.get((a.address, a.bounds), True) else self._refuse(a) for a in arrivals
        ]

    def _refuse(self, arrival: Arrival) -> AcceptOutcome:
        met = self._met(arrival) if arrival.envelope.attempt > 1 else None
        return met or Full(str(arrival.address))

    def _met(self, arrival: Arrival) -> Arrived | IdTaken | None:
        """What becomes of it if something came under its id before."""
        message = (arrival.address, arrival.envelope.id)
        mark = self.database.mark_of(message)
        row = self.database.mailbox.get(message) or self.database.dead.get(message)
        try:
            if mark is not None:
                mark.reply_to(arrival.envelope)
            if row is not None:
                waiting = row.envelope
                refuse_another(arrival.envelope, waiting.type, digest_of(waiting.version, waiting.body))
        except IdTaken as error:
            return error
        return Arrived(new=False) if mark is not None or row is not None else None

    def _accept_one(self, host: UUID, arrival: Arrival) -> AcceptOutcome:
        database = self.database
        if not database.fence(host, arrival.held):
            return Fenced()
        if arrival.envelope.attempt > 1 and (met := self._met(arrival)) is not None:
            return met
        if not database.put(arrival.address, arrival.envelope, in_memory=arrival.in_memory):
            return self._met(arrival) or Arrived(new=False)
        database.wrote("accept", arrival.held)
        return Arrived(new=True)

    async def taken_within(self, time: timedelta, asked: Sequence[tuple[str, str]]) -> list[bool]:
        """All hosts run the same code."""
        return await self._call(lambda: [False for _ in asked])

    async def collect(
        self,
        host: UUID,
        held: Sequence[Held],
        most: int,
        only: Sequence[AgentAddress] | None = None,
        but: Sequence[AgentAddress] = (),
    ) -> list[Collected]:
        return await self._call(lambda: self._collect(host, held, most, only, but))

    def _collect(
        self,
        host: UUID,
        held: Sequence[Held],
        most: int,
        only: Sequence[AgentAddress] | None,
        but: Sequence[AgentAddress],
    ) -> list[Collected]:
        fence = {one.id: one for one in held if self.database.fence(host, one)}
        rows = [row for row in self.database.mailbox.values() if row.shard in fence and not row.in_memory]
        rows = [row for row in rows if row.address not in but and row.address not in self.database.quarantined]
        rows = [row for row in rows if only is None or row.address in only][:most]
        for row in rows:
            row.in_memory = True
            self.database.wrote("collect", fence[row.shard])
        return [
            Collected(fence[row.shard], row.envelope, row.address, row.attempts, row.suspect, row.due) for row in rows
        ]

    async def begin(self, host: UUID, turns: Sequence[Beginning]) -> list[bool]:
        return await self._call(lambda: [self._begin(host, turn) for turn in turns])

    def _begin(self, host: UUID, turn: Beginning) -> bool:
        if not self.database.fence(host, turn.held):
            return False
        if (row := self.database.mailbox.get((turn.address, turn.message))) is not None:
            row.began = True
            self.database.wrote("begin", turn.held)
        return True

    async def postpone(
        self,
        host: UUID,
        held: Held,
        address: AgentAddress,
        message: UUID,
        attempts: int,
        error: str,
        pause: timedelta,
    ) -> bool:
        def work() -> bool:
            if not self.database.fence(host, held):
                return False
            if (row := self.database.mailbox.get((address, message))) is not None:
                row.attempts, row.error, row.due = attempts, error, self.database.now() + pause
                row.began = False
                self.database.wrote("postpone", held)
            return True

        return await self._call(work)

    async def bury(
        self,
        host: UUID,
        held: Held,
        address: AgentAddress,
        message: UUID,
        attempts: int,
        error: str,
        *,
        quarantine: bool,
        tell: tuple[int, AgentAddress, Envelope] | None,
    ) -> bool:
        def work() -> bool:
            if not self.database.fence(host, held):
                return False
            if (row := self.database.mailbox.pop((address, message), None)) is None:
                return True
            self.database.wrote("bury", held)
            row.attempts, row.error = attempts, error
            self.database.dead.setdefault((address, message), row)
            if quarantine:
                self.database.quarantined.setdefault(address, error)
            if tell is not None:
                self.database.put(tell[1], tell[2])
                self.database.promised.append((tell[1], tell[2].id))
            return True

        return await self._call(work)

    # Reminders.

    async def due(self, held: Sequence[Held], now: datetime, most: int) -> tuple[list[DueReminder], datetime | None]:
        return await self._call(lambda: self._due({one.id: one for one in held}, now, most))

    def _due(self, held: Mapping[int, Held], now: datetime, most: int) -> tuple[list[DueReminder], datetime | None]:
        mine = [
            DueReminder(held[shard], address, reminder)
            for (address, _), reminder in self.database.reminders.items()
            if (shard := self.database.shard_of(address)) in held
        ]
        due = sorted((one for one in mine if one.reminder.due <= now), key=lambda one: one.reminder.due)[:most]
        return due, min((one.reminder.due for one in mine if one.reminder.due > now), default=None)

    async def fire(
        self,
        host: UUID,
        due: DueReminder,
        ticks: Sequence[Envelope],
        next_due: datetime | None,
        bounds: tuple[int, int],
    ) -> FireOutcome:
        return await self._call(lambda: self._fire(host, due, ticks, next_due, bounds))

    def _fire(
        self,
        host: UUID,
        due: DueReminder,
        ticks: Sequence[Envelope],
        next_due: datetime | None,
        bounds: tuple[int, int],
    ) -> FireOutcome:
        database = self.database
        name = (due.address, due.reminder.name)
        now = database.reminders.get(name)
        if now is None or (now.id, now.due) != (due.reminder.id, due.reminder.due):
            return Superseded()
        if not database.fence(host, due.held):
            return Superseded()
        if not database.has_room(due.address, *bounds):
            return Full(str(due.address))
        database.wrote("fire", due.held)
        if next_due is None:
            del database.reminders[name]
        else:
            database.reminders[name] = replace(now, due=next_due)
        for tick in ticks:
            database.put(due.address, tick)
        return Fired()


def _settle(reply: "asyncio.Future[Result]", result: Result) -> None:
    if not reply.done():
        reply.set_result(result)


def _fail(reply: "asyncio.Future[Result]", error: Exception) -> None:
    if not reply.done():
        reply.set_exception(error)


def _break(reply: "asyncio.Future[Result]") -> None:
    _fail(reply, DatabaseLost("the connection broke"))
