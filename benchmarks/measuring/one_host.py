"""A host in this process on a real Postgres: what a turn costs without a client and a wire."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from resprout.actors.delivery import Delivery
from resprout.actors.envelope import Began, Envelope, Outcome, Replied
from resprout.actors.ids import new_id
from resprout.actors.shards import SHARDS, HostSeen
from resprout.actors.store import HostRecord
from resprout.actors.tenure import Tenure
from resprout.memory.database import Database
from resprout.memory.store import PostgresStore


class Nobody:
    """There is nothing outside of this host."""

    async def ask(self, envelope: Envelope) -> Replied:
        raise AssertionError("nobody to ask")

    async def tell(self, envelope: Envelope, until: datetime) -> None:
        raise AssertionError("nobody to tell")

    def wake(self, host: HostSeen) -> None:
        raise AssertionError("nobody to wake")


class OneHost:
    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery

    async def flood(self, agents: int, width: int, messages: int) -> float:
        """Turns a second, of messages that are made beforehand, so that what is measured is the turns."""
        loop = asyncio.get_running_loop()
        envelopes = iter(
            [
                Envelope(
                    id=new_id(),
                    recipient=f"bench-durable/{n % agents}",
                    sender="client",
                    type="bench.increment",
                    body='{"by": 1}',
                )
                for n in range(messages)
            ]
        )
        left = messages
        done = loop.create_future()

        def answered(outcome: Outcome | Began) -> None:
            nonlocal left
            assert isinstance(outcome, Replied), outcome
            left -= 1
            if left == 0:
                done.set_result(None)
            if (envelope := next(envelopes, None)) is not None:
                # Not from inside of the answer: a flood must not become a recursion.
                loop.call_soon(self.delivery.receive, envelope, answered)

        began = loop.time()
        for _ in range(width):
            self.delivery.receive(next(envelopes), answered)
        await done
        return messages / (loop.time() - began)

    async def increment(self, agent: str) -> None:
        answer: asyncio.Future[Outcome | Began] = asyncio.get_running_loop().create_future()
        envelope = Envelope(id=new_id(), recipient=agent, sender="client", type="bench.increment", body='{"by": 1}')
        self.delivery.receive(envelope, answer.set_result)
        outcome = await answer
        assert isinstance(outcome, Replied), outcome


@asynccontextmanager
async def one_host(dsn: str) -> AsyncIterator[OneHost]:
    async with await Database.open(dsn) as database:
        store = PostgresStore(database)
        delivery = Delivery(uuid4(), store, Nobody(), lambda: datetime.now(UTC))
        record = HostRecord(delivery.station.host, "bench", "", "nowhere", "here", 0, "bench")
        tenure = Tenure(record, store, delivery, pulse=timedelta(milliseconds=400))
        tasks = [asyncio.create_task(tenure.run()), asyncio.create_task(delivery.run())]
        while len(delivery.holdings.which_are("open")) < SHARDS:  # noqa: ASYNC110 - to begin with
            await asyncio.sleep(0.01)
        try:
            yield OneHost(delivery)
        finally:
            await tenure.drain()
            await tasks[0]
            tasks[1].cancel()
            delivery.runners.stop()
            await asyncio.gather(*tasks, return_exceptions=True)
            store.abandon()
