"""Which agents are in memory, and what they keep when they leave it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from resprout.actors.address import AgentAddress
from resprout.actors.limits import Limits
from resprout.memory.database import Database
from resprout.memory.store import PostgresStore
from support.counting import Count, Fail, Increment, Log, Words, lives
from support.house import House, clock, hosts
from support.waiting import all_handled, opened, until, until_found, working


async def test_an_idle_agent_leaves_memory_and_comes_back_as_it_was(database: Database) -> None:
    async with hosts(PostgresStore(database), limits=Limits(idle=timedelta(milliseconds=100))) as (house, (host,)):
        lives.clear()
        await house.asks("sleepy/a", Increment(by=2))
        await until(lambda: not host.delivery.population.active)

        assert lives == ["activated", "passivated"]
        assert await house.asks("sleepy/a", Increment()) == Count(count=3)


async def test_the_busiest_agents_stay_in_memory(database: Database) -> None:
    async with hosts(PostgresStore(database), limits=Limits(most_in_memory=3)) as (house, (host,)):
        await opened(host)
        await asyncio.gather(*(house.asks(f"sleepy/{n}", Increment()) for n in range(3, 10)))
        await asyncio.gather(*(house.asks(f"sleepy/{n % 3}", Increment()) for n in range(120)))
        await until(lambda: len(host.delivery.population.active) <= 3)

        assert {address.key for address in host.delivery.population.active} == {"0", "1", "2"}


async def test_a_stopped_agent_loses_nothing(database: Database) -> None:
    async with hosts(PostgresStore(database)) as (house, (host,)):
        await house.asks("tally/a", Increment(by=0))
        told = [house.tells("tally/a", Increment(think_seconds=0.05)) for _ in range(10)]
        await asyncio.gather(*told)

        assert await host.delivery.stop(AgentAddress("tally", "a"))

        await until_found(lambda: house.asks("tally/a", Increment(by=0)), lambda found: found == Count(count=10))


async def test_what_comes_for_an_agent_while_it_is_stopped_is_not_overtaken(
    house: House, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    (host,) = house.hosts.values()
    address, told = AgentAddress("tally", "a"), asyncio.Event()
    await house.asks("tally/a", Log(word="0"))
    accept = host.store.accept

    async def answers_late(*args: Any) -> Any:
        outcomes = await accept(*args)
        await told.wait()
        return outcomes

    monkeypatch.setattr(host.store, "accept", answers_late)
    first = asyncio.create_task(house.tells("tally/a", Log(word="1"), sender="client"))
    await until_found(lambda: database.pool.fetchval("SELECT count(*) FROM resprout.mailbox"))
    busy = asyncio.create_task(house.asks("tally/a", Increment(think_seconds=0.15)))
    await working(host)
    stopping = asyncio.create_task(host.delivery.stop(address))
    async with asyncio.timeout(20):
        while not host.delivery.population.active[address].closing:
            await asyncio.sleep(0)
    told.set()
    await asyncio.gather(first, stopping, busy)
    await house.tells("tally/a", Log(word="2"), sender="client")

    await until_found(lambda: words_of(house, "tally/a"), lambda found: found == ("0", "1", "2"))


async def words_of(house: House, agent: str) -> tuple[str, ...]:
    reply = await house.asks(agent, Log(word=""))
    assert isinstance(reply, Words)
    return tuple(word for word in reply.words if word)


async def test_mail_that_does_not_fit_into_memory_waits_in_the_store(database: Database) -> None:
    async with hosts(PostgresStore(database), limits=Limits(mail_in_memory=20)) as (house, (host,)):
        told = [house.tells(f"tally/{n % 10}", Increment(think_seconds=0.01)) for n in range(200)]
        await asyncio.gather(*told)

        assert host.delivery.backlog.mail <= 220
        async with asyncio.timeout(60):
            while [await house.asks(f"tally/{n}", Increment(by=0)) for n in range(10)] != [Count(count=20)] * 10:
                await asyncio.sleep(0.05)


async def test_new_mail_queues_up_in_the_store_until_all_older_mail_is_collected(database: Database) -> None:
    address = AgentAddress("tally", "a")
    async with hosts(PostgresStore(database)) as (house, (host,)):
        await opened(host)
        await house.tells("tally/a", Increment(think_seconds=600), sender="client")
        for n in range(6):
            await house.tells("tally/a", Log(word=str(n)), sender="client")
    async with hosts(PostgresStore(database), limits=Limits(mail_in_memory=5)) as (house, (host,)):
        await opened(host)
        await working(host)
        slow = host.delivery.population.active[address]
        assert slow.in_turn is not None
        slow.in_turn.envelope = slow.in_turn.envelope.model_copy(update={"deadline": clock()})
        host.delivery.handling.stop(slow)
        async with asyncio.timeout(20):
            while host.delivery.backlog.mail >= 5:
                await asyncio.sleep(0)

        # A shard is claimed in this moment; it opens with a look at its own mail, of which there is none.
        await host.delivery.open([next(held for held in host.delivery.holdings if held != slow.held)])
        await house.tells("tally/a", Log(word="last"), sender="client")

        await until_found(lambda: words_of(house, "tally/a"), lambda found: len(found) >= 7)
        assert await words_of(house, "tally/a") == ("0", "1", "2", "3", "4", "5", "last")


async def test_slow_agents_and_those_in_quarantine_leave_room_for_the_mail_of_others(database: Database) -> None:
    limits = Limits(mail_in_memory=10, mail_of_one_agent=3)
    async with hosts(PostgresStore(database), limits=limits) as (house, (host,)):
        await house.tells("wary/a", Fail())
        await until_found(lambda: database.pool.fetchval("SELECT count(*) FROM resprout.quarantined"))
        for _ in range(12):
            await house.tells("wary/a", Increment())
            await house.tells("tally/slow", Increment(think_seconds=60))

        await house.tells("tally/quick", Increment())

        await until_found(
            lambda: database.pool.fetchval("SELECT count(*) FROM resprout.mailbox WHERE key = 'quick'"),
            lambda found: not found,
        )
        # What arrives while a page of older mail is on its way into memory comes on top of it.
        assert host.delivery.backlog.mail <= 2 * limits.mail_of_one_agent


async def test_what_is_told_to_a_busy_agent_keeps_its_order_although_most_waits_in_the_store(
    database: Database,
) -> None:
    async with hosts(PostgresStore(database), limits=Limits(mail_of_one_agent=3)) as (house, _):
        await house.tells("tally/a", Increment(think_seconds=1), sender="c")
        for n in range(20):
            await house.tells("tally/a", Log(word=str(n)), sender="c")

        await all_handled(database)

        await house.tells("tally/a", Log(word="20"), sender="c")
        assert await house.asks("tally/a", Log(word="end"), sender="c") == Words(words=(*map(str, range(21)), "end"))
