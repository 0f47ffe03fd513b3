"""What a host does all the time: one bad row or reminder does not end it, and a host does not live without it."""

import asyncio
import os
from datetime import timedelta
from typing import Any

import pytest
from resprout.actors.address import AgentAddress
from resprout.memory.database import Database
from resprout.runtime.host import LEASE_LOST, Life
from support.counting import Count, Increment, RemindMe
from support.house import House, envelope
from support.waiting import all_handled, count_of, opened, reaches, until_found, working

NINE_THOUSAND_YEARS = timedelta(days=365 * 9_000).total_seconds()


async def test_a_reminder_beyond_the_calendar_stops_no_other(house: House) -> None:
    await house.asks("tally/a", RemindMe(name="far", after_seconds=0.01, every_seconds=NINE_THOUSAND_YEARS))
    await reaches(house, "tally/a", 1)

    await house.asks("tally/a", RemindMe(name="near", after_seconds=0.1))

    await reaches(house, "tally/a", 2)


async def test_a_row_that_nobody_can_read_is_buried_and_the_others_are_handled(
    house: House, database: Database
) -> None:
    await reaches(house, "tally/a", 0)
    (host,) = house.hosts.values()
    await database.pool.execute(
        "INSERT INTO resprout.mailbox (kind, key, shard, message_id, envelope, bytes, in_memory) "
        "VALUES ('tally', 'b', $1, gen_random_uuid(), '{\"way\": \"shout\"}', 1, false)",
        host.delivery.holdings.taking_in(AgentAddress("tally", "b")).id,
    )
    host.delivery.mail_waits.set()

    error = await until_found(lambda: database.pool.fetchval("SELECT error FROM resprout.dead_letters"))
    assert error.startswith("`id` of the envelope cannot be read: Field required.")
    await house.tells("tally/a", Increment())
    await reaches(house, "tally/a", 1)


async def test_a_message_that_is_asked_and_told_has_one_effect_and_leaves_no_row(
    house: House, database: Database
) -> None:
    (host,) = house.hosts.values()
    await opened(host)
    slow = asyncio.create_task(house.asks("tally/a", Increment(think_seconds=0.5)))
    await working(host)
    told = envelope("tally/a", Increment(), "tell")
    asked = asyncio.create_task(house.asks("tally/a", Increment(), message_id=told.id))
    await database.pool.execute(
        "INSERT INTO resprout.mailbox (kind, key, shard, message_id, envelope, bytes, in_memory) "
        "VALUES ('tally', 'a', $1, $2, $3::text::jsonb, 1, false)",
        host.delivery.holdings.taking_in(AgentAddress("tally", "a")).id,
        told.id,
        told.model_dump_json(),
    )
    host.delivery.mail_waits.set()

    assert (await slow, await asked) == (Count(count=1), Count(count=2))
    await all_handled(database)
    assert await count_of(house, "tally/a") == 2


async def test_a_host_whose_background_work_ends_gives_up_its_agents(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    (host,) = house.hosts.values()
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    monkeypatch.setattr(os, "_exit", ended.set_result)

    async def fails(*_: Any) -> Any:
        raise KeyError("a defect")

    monkeypatch.setattr(host.delivery.collection, "collect", fails)
    life = Life(host.delivery, host.tenure, None, host.store, timedelta(days=7))  # type: ignore[arg-type]

    assert await asyncio.wait_for(ended, 20) == LEASE_LOST
    assert not host.delivery.holdings
    for task in life.tasks:
        task.cancel()
    life.blocked_loop.stop()
