"""A host that loses shards or stops: who does not live there pays nothing, and nothing outlives the stop."""

import asyncio
from typing import Any

import pytest
from resprout.actors.address import AgentAddress
from resprout.actors.envelope import Outcome, Replied
from resprout.memory.database import Database
from support.counting import Fail, Increment
from support.house import House, envelope
from support.waiting import opened, working


async def test_losing_a_shard_harms_no_agent_of_another_shard(
    house: House, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    (host,) = house.hosts.values()
    await opened(host)
    lost = host.delivery._held_of(AgentAddress("tally", "poisoned")).id
    others = [f"tally/{n}" for n in range(300)]
    others = [one for one in others if host.delivery._held_of(AgentAddress.parse(one)).id != lost]
    await asyncio.gather(*(house.asks(one, Increment()) for one in others))
    outcomes: list[Outcome] = []
    postpone = host.store.postpone

    async def loses_the_shard(*args: Any) -> bool:
        monkeypatch.undo()
        await database.pool.execute("UPDATE resprout.shards SET epoch = epoch + 1 WHERE id = $1", lost)
        try:
            return await postpone(*args)
        finally:  # they are carried next, by the runner that learns of the loss, or is cut because of it
            for one in others:
                host.delivery.receive(envelope(one, Increment(think_seconds=0.01), "ask"), outcomes.append)

    monkeypatch.setattr(host.store, "postpone", loses_the_shard)
    await house.tells("tally/poisoned", Fail())

    async with asyncio.timeout(20):
        while len(outcomes) < len(others):
            await asyncio.sleep(0.02)
    assert [outcome for outcome in outcomes if not isinstance(outcome, Replied)] == []


async def test_a_host_ends_although_a_turn_lasts_in_an_agent_that_is_put_away(house: House) -> None:
    (host,) = house.hosts.values()
    slow = asyncio.create_task(house.asks("tally/a", Increment(think_seconds=600), seconds=1))
    await working(host)
    stopping = asyncio.create_task(host.delivery.stop(AgentAddress("tally", "a")))
    await asyncio.sleep(0)

    await asyncio.wait_for(host.kill(), 10)

    stopping.cancel()
    await asyncio.wait({slow, stopping})
