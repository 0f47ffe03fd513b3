"""Hosts in the test's own process, on a real store: everything of a host but its process and its sockets."""

import asyncio
import itertools
import traceback
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from resprout.actors.address import AgentAddress
from resprout.actors.calls import Caller, Lost
from resprout.actors.cancelling import cancel
from resprout.actors.delivery import Delivery
from resprout.actors.envelope import Accepted, Began, Envelope, Outcome, Replied
from resprout.actors.ids import new_id
from resprout.actors.limits import Limits
from resprout.actors.message import Message, parse_stored
from resprout.actors.shards import SHARED, HostSeen, View
from resprout.actors.store import HostRecord, Store
from resprout.actors.tenure import Tenure
from resprout.memory.store import PostgresStore

PULSE = timedelta(milliseconds=100)
# A machine that stands still for a moment costs no host its lease. Shorter than the patience of the tests: while
# Postgres is younger than this, a host that was killed has its shards until its lease ends.
LEASE = timedelta(seconds=15)


def clock() -> datetime:
    return datetime.now(UTC)


class House:
    """Hosts by address, and the way between them: direct calls."""

    def __init__(self) -> None:
        self.hosts: dict[str, HostHere] = {}
        self.caller = Caller(self, clock)

    def send(self, host: HostSeen, envelope: Envelope, until: datetime) -> Awaitable[Outcome]:
        return self._send(host, envelope)

    async def _send(self, host: HostSeen, envelope: Envelope) -> Outcome:
        found = self.hosts.get(host.address)
        if found is None:
            raise Lost(f"nobody at {host.address}", sent=False)
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        found.waiting.add(answer)

        def settle(outcome: Outcome | Began) -> None:
            if not isinstance(outcome, Began) and not answer.done():
                answer.set_result(outcome)

        found.delivery.receive(envelope, settle)
        try:
            return await answer
        finally:
            found.waiting.discard(answer)

    async def view(self) -> View | None:
        views = (host.delivery.holdings.view for host in self.hosts.values())
        return next((view for view in views if view.hosts), None)

    async def ask(self, envelope: Envelope) -> Replied:
        return await self.caller.ask(envelope)

    async def tell(self, envelope: Envelope, until: datetime) -> None:
        await self.caller.tell(envelope, until)

    def wake(self, host: HostSeen) -> None:
        if host.address in self.hosts:
            self.hosts[host.address].delivery.mail_waits.set()

    def cancel(self, host: HostSeen, envelope: Envelope) -> None:
        if host.address in self.hosts:
            cancel(self.hosts[host.address].delivery, AgentAddress.parse(envelope.recipient), envelope.id)

    # What a test says.

    async def asks(
        self, agent: str, message: Message, *, message_id: UUID | None = None, seconds: float = 20, **more: object
    ) -> Message | None:
        reply = await self.caller.ask(envelope(agent, message, "ask", message_id, seconds, **more))
        return parse_stored(reply.type, reply.version, reply.body or "{}") if reply.type else None

    async def tells(self, agent: str, message: Message, *, message_id: UUID | None = None, **more: object) -> UUID:
        sent = envelope(agent, message, "tell", message_id, None, **more)
        outcome = await self.caller.call(sent, clock() + timedelta(seconds=20))
        assert isinstance(outcome, Accepted)
        return sent.id


def envelope(
    agent: str, message: Message, way: str, message_id: UUID | None = None, seconds: float | None = 20, **more: object
) -> Envelope:
    return Envelope(
        **{
            "id": message_id or new_id(),
            "way": way,
            "recipient": agent,
            "type": message.message_name,
            "version": message.message_version,
            "body": message.model_dump_json(),
            "deadline": clock() + timedelta(seconds=seconds) if seconds is not None else None,
            "attempt": 2 if message_id else 1,
            **more,
        }
    )


class HostHere:
    numbers = itertools.count()

    def __init__(self, house: House, store: Store, limits: Limits = Limits(), *, pool: str = SHARED) -> None:  # noqa: B008
        self.house = house
        self.store = store
        self.address = f"here-{next(self.numbers)}"
        self.delivery = Delivery(uuid4(), store, house, clock, replace(limits, lease=LEASE))
        self.record = HostRecord(self.delivery.station.host, self.address, pool, self.address, "node", 1, "test")
        self.tenure = Tenure(self.record, store, self.delivery, pulse=PULSE)
        self.waiting: set[asyncio.Future[Outcome]] = set()

    async def start(self) -> "HostHere":
        self.house.hosts[self.address] = self
        self.tasks = [asyncio.create_task(self.tenure.run()), asyncio.create_task(self.delivery.run())]
        for task in self.tasks:
            task.add_done_callback(self._tell_ended)
        return self

    def _tell_ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            traceback.print_exception(error)
            asyncio.get_running_loop().create_task(self.kill())

    async def kill(self) -> None:
        """Whatever it was doing, it does not go on; who waits for it learns that the connection broke."""
        self.house.hosts.pop(self.address, None)
        self.delivery.runners.stop()
        everything = [
            *self.tasks,
            *self.delivery.runners.tasks,
            *(lane.task for lane in self.delivery.commits.lanes if lane.task),
            *self.delivery.station.background.tasks,
        ]
        for task in everything:
            task.cancel()
        await asyncio.gather(*everything, return_exceptions=True)
        if isinstance(self.store, PostgresStore):
            self.store.abandon()
        for answer in list(self.waiting):
            if not answer.done():
                answer.set_exception(Lost("killed"))

    async def drain(self) -> None:
        await self.tenure.drain()
        await asyncio.wait_for(self.tasks[0], 20)
        await self.kill()


@asynccontextmanager
async def hosts(*stores: Store, limits: Limits = Limits()) -> AsyncIterator[tuple[House, list[HostHere]]]:  # noqa: B008
    house = House()
    here = [await HostHere(house, store, limits).start() for store in stores]
    try:
        yield house, here
    finally:
        for host in here:
            await host.kill()
