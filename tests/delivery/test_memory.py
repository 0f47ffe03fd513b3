"""Which agents are in memory, and what they keep when they leave it."""

import asyncio
from datetime import timedelta

from resprout.actors.address import AgentAddress
from resprout.actors.delivery import Limits
from resprout.memory.database import Database
from resprout.memory.store import PostgresStore
from support.counting import Count, Increment, lives
from support.house import hosts


async def test_an_idle_agent_leaves_memory_and_comes_back_as_it_was(database: Database) -> None:
    async with hosts(PostgresStore(database), limits=Limits(idle=timedelta(milliseconds=100))) as (house, (host,)):
        lives.clear()
        await house.asks("sleepy/a", Increment(by=2))
        async with asyncio.timeout(20):
            while host.delivery.active:
                await asyncio.sleep(0.05)

        assert lives == ["activated", "passivated"]
        assert await house.asks("sleepy/a", Increment()) == Count(count=3)


async def test_the_busiest_agents_stay_in_memory(database: Database) -> None:
    async with hosts(PostgresStore(database), limits=Limits(most_in_memory=3)) as (house, (host,)):
        for n in range(10):
            for _ in range(40 if n < 3 else 1):
                await house.asks(f"sleepy/{n}", Increment())
        async with asyncio.timeout(20):
            while len(host.delivery.active) > 3:
                await asyncio.sleep(0.05)

        assert {address.key for address in host.delivery.active} == {"0", "1", "2"}


async def test_a_stopped_agent_loses_nothing(database: Database) -> None:
    async with hosts(PostgresStore(database)) as (house, (host,)):
        await house.asks("tally/a", Increment(by=0))
        told = [house.tells("tally/a", Increment(think_seconds=0.05)) for _ in range(10)]
        await asyncio.gather(*told)

        assert await host.delivery.stop(AgentAddress("tally", "a"))

        async with asyncio.timeout(20):
            while await house.asks("tally/a", Increment(by=0)) != Count(count=10):
                await asyncio.sleep(0.05)


async def test_mail_that_does_not_fit_into_memory_waits_in_the_store(database: Database) -> None:
    async with hosts(PostgresStore(database), limits=Limits(mail_in_memory=20)) as (house, (host,)):
        told = [house.tells(f"tally/{n % 10}", Increment(think_seconds=0.01)) for n in range(200)]
        await asyncio.gather(*told)

        assert host.delivery.mail <= 220
        async with asyncio.timeout(60):
            while [await house.asks(f"tally/{n}", Increment(by=0)) for n in range(10)] != [Count(count=20)] * 10:
                await asyncio.sleep(0.05)
