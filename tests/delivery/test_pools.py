"""A kind gets hosts of its own, or has them no longer: all that is stored for its agents goes with them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from resprout.memory.database import Database
from resprout.memory.store import PostgresStore
from support.counting import Announce, Fail, Follow, Increment, RemindMe
from support.house import HostHere, House, hosts
from support.waiting import count_of, opened, reaches, until_found


@asynccontextmanager
async def own_host(house: House, database: Database, kind: str) -> AsyncIterator[HostHere]:
    own = await HostHere(house, PostgresStore(database), pool=kind).start()
    try:
        await has_all_shards(own)
        yield own
    finally:
        await own.kill()


async def has_all_shards(host: HostHere) -> None:
    await opened(host)


async def test_mail_reminders_and_topics_of_a_kind_go_over_to_its_own_hosts(database: Database) -> None:
    async with hosts(PostgresStore(database)) as (house, (shared,)):
        await has_all_shards(shared)
        await house.asks("tally/a", Follow(topic="news"))
        await house.asks("tally/a", RemindMe(after_seconds=3))
        for by in (10, 100):
            await house.tells("tally/a", Increment(by=by, think_seconds=1))

        async with own_host(house, database, "tally") as own:
            await house.asks("picky/a", Increment())
            await house.asks("tally/b", Announce(topic="news"))

            await reaches(house, "tally/a", 112)
            assert {address.kind for address in own.delivery.population.active} == {"tally"}
            assert not any(address.kind == "tally" for address in shared.delivery.population.active)


async def test_a_kind_without_its_own_hosts_is_served_by_the_shared_ones(database: Database) -> None:
    async with hosts(PostgresStore(database)) as (house, (shared,)):
        async with own_host(house, database, "tally") as own:
            await house.caller.look()
            await house.asks("tally/a", RemindMe(after_seconds=2))
            await house.asks("tally/a", Increment(by=10))
            await own.drain()

        await has_all_shards(shared)
        await reaches(house, "tally/a", 11)


async def test_a_dead_letter_finds_its_agent_after_the_pools_have_changed(database: Database) -> None:
    async with hosts(PostgresStore(database)) as (house, (shared,)):
        await has_all_shards(shared)
        await house.tells("tally/a", Fail())
        letter = await until_found(lambda: database.pool.fetchrow("SELECT * FROM resprout.dead_letters"))

        async with own_host(house, database, "tally") as own:
            await house.caller.look()
            assert await count_of(house, "tally/a") == 0
            moved = await database.pool.fetchval("SELECT shard FROM resprout.dead_letters")
            assert moved != letter["shard"]
            assert own.delivery.holdings.under(moved)
