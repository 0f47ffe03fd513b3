"""Code of developers that does not end: turns are stopped, and neither they nor agents that cling hold up the host."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from resprout.actors import passivation
from resprout.actors.address import AgentAddress
from resprout.actors.agent import Agent, on
from resprout.actors.cancelling import cancel
from resprout.actors.errors import DeadlinePassed
from resprout.actors.ids import new_id
from resprout.actors.limits import Limits
from resprout.memory.database import Database
from resprout.memory.store import PostgresStore
from support.counting import Count, Increment, Slow
from support.house import House, hosts
from support.waiting import count_of, opened, until

cleaned_up: list[str] = []


class Clingy(Agent, kind="clingy"):
    """Does not go."""

    async def passivated(self) -> None:
        clinging.set()
        await asyncio.Event().wait()

    @on
    async def increment(self, message: Increment) -> Count:
        return Count(count=message.by)


class Tidy(Agent, kind="tidy", turn_timeout=timedelta(seconds=0.3)):
    """Cleans up when it is stopped, soon after its turn has begun."""

    @on
    async def slow(self, message: Slow) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(message.seconds)
            cleaned_up.append("tidy")


class Drowsy(Agent, kind="drowsy", turn_timeout=timedelta(seconds=0.3)):
    """Never comes into memory."""

    async def activated(self) -> None:
        await asyncio.Event().wait()

    @on
    async def increment(self, message: Increment) -> Count:
        return Count(count=message.by)


clinging = asyncio.Event()


async def test_an_agent_that_clings_to_its_memory_keeps_no_late_turn_going(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinging.clear()
    monkeypatch.setattr(passivation, "GOODBYE_SECONDS", 600)
    async with hosts(PostgresStore(database), limits=Limits(idle=timedelta(0))) as (house, _):
        await house.asks("clingy/a", Increment())
        await asyncio.wait_for(clinging.wait(), 20)

        with pytest.raises(DeadlinePassed, match="tidy/a worked on"):
            await house.asks("tidy/a", Slow(seconds=0))

        await until(lambda: cleaned_up)
        cleaned_up.clear()


async def test_a_handler_that_is_stopped_has_time_to_clean_up(house: House) -> None:
    (host,) = house.hosts.values()
    await opened(host)

    with pytest.raises(DeadlinePassed, match="tidy/a worked on"):
        await house.asks("tidy/a", Slow(seconds=1))

    await until(lambda: cleaned_up)
    cleaned_up.clear()


async def test_an_agent_that_does_not_come_into_memory_is_stopped_as_a_turn_is(house: House) -> None:
    with pytest.raises(DeadlinePassed, match=r"drowsy/a worked on `test\.increment` until"):
        await house.asks("drowsy/a", Increment())


async def test_an_asker_who_gives_up_while_the_agent_is_being_read_harms_nobody(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    (host,) = house.hosts.values()
    await opened(host)
    reading, go_on, load = asyncio.Event(), asyncio.Event(), host.store.load

    async def waits(*args: Any) -> Any:
        reading.set()
        await go_on.wait()
        return await load(*args)

    monkeypatch.setattr(host.delivery.records.reads, "call", waits)
    address, message = AgentAddress("tally", "a"), new_id()
    asked = asyncio.create_task(house.asks("tally/a", Increment(), message_id=message))
    await asyncio.wait_for(reading.wait(), 20)

    assert not cancel(host.delivery, address, message)

    go_on.set()
    assert await asked == Count(count=1)
    assert await count_of(house, "tally/a") == 1
