"""A host that loses shards or stops: who does not live there pays nothing, and nothing outlives the stop."""

import asyncio
from typing import Any

import pytest
from resprout.actors import tenure
from resprout.actors.address import AgentAddress
from resprout.actors.envelope import Began, Outcome, Replied
from resprout.actors.errors import DatabaseLost
from resprout.actors.ids import new_id
from resprout.memory.database import Database
from resprout.memory.store import PostgresStore
from support.counting import Count, Fail, Gate, Increment
from support.house import HostHere, House, envelope
from support.waiting import opened, reaches, until, working


async def test_losing_a_shard_harms_no_agent_of_another_shard(
    house: House, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    (host,) = house.hosts.values()
    await opened(host)
    lost = host.delivery.holdings.taking_in(AgentAddress("tally", "poisoned")).id
    others = [f"tally/{n}" for n in range(300)]
    others = [one for one in others if host.delivery.holdings.taking_in(AgentAddress.parse(one)).id != lost]
    await asyncio.gather(*(house.asks(one, Increment()) for one in others))
    outcomes: list[Outcome | Began] = []
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

    await until(lambda: len(outcomes) >= len(others))
    assert [outcome for outcome in outcomes if not isinstance(outcome, Replied)] == []


async def test_a_host_ends_although_a_turn_lasts_in_an_agent_that_is_put_away(house: House) -> None:
    (host,) = house.hosts.values()
    slow = asyncio.create_task(house.asks("tally/a", Increment(think_seconds=600), seconds=100))
    await working(host)
    stopping = asyncio.create_task(host.delivery.stop(AgentAddress("tally", "a")))
    await asyncio.sleep(0)

    await asyncio.wait_for(host.kill(), 10)

    for task in (slow, stopping):
        task.cancel()
    await asyncio.wait({slow, stopping})


async def neighbours(host: HostHere) -> tuple[str, str]:
    """Two agents of a shard, of the last one: a plan releases those first."""
    await opened(host)
    last = max(host.delivery.holdings).id
    names = (f"tally/{n}" for n in range(20_000))
    same = [one for one in names if host.delivery.holdings.taking_in(AgentAddress.parse(one)).id == last]
    return same[0], same[1]


async def test_turns_outlive_an_answer_of_the_store_that_is_lost(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    (host,) = house.hosts.values()
    await opened(host)
    monkeypatch.setattr(tenure, "LAST_TURNS_SECONDS", 600)
    gate, message, collect = Gate(), new_id(), host.store.collect
    asked = asyncio.create_task(house.asks("tally/a", gate.hold, message_id=message, seconds=100))
    await working(host)
    activation = host.delivery.population.active[AgentAddress("tally", "a")]
    failed = asyncio.Event()

    async def fails(*_: Any) -> Any:
        monkeypatch.setattr(host.store, "collect", collect)
        failed.set()
        raise DatabaseLost("the connection broke")

    monkeypatch.setattr(host.store, "collect", fails)
    host.delivery.mail_waits.set()
    await asyncio.wait_for(failed.wait(), 20)
    await house.asks("tally/b", Increment())

    assert host.delivery.population.active[AgentAddress("tally", "a")] is activation
    assert activation.in_turn is not None
    gate.open()
    assert await asked == Count(count=1)
    await reaches(house, "tally/a", 1)


@pytest.mark.parametrize("why", ["rebalancing", "draining"])
async def test_a_long_turn_does_not_make_its_neighbours_unreachable_when_shards_move(
    house: House, database: Database, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    (host,) = house.hosts.values()
    monkeypatch.setitem(tenure.LONGEST_STAY, why, 600)
    busy, neighbour = await neighbours(host)
    gate = Gate()
    slow = asyncio.create_task(house.asks(busy, gate.hold, seconds=100))
    await working(host)
    await until(
        lambda: (
            host.delivery.handling.longest_turn(host.delivery.holdings.taking_in(AgentAddress.parse(busy)))
            >= tenure.LONG_TURN_SECONDS
        )
    )
    other = await HostHere(house, PostgresStore(database)).start()
    if why == "draining":
        await host.tenure.drain()
    await until(lambda: other.delivery.holdings)

    await house.asks(neighbour, Increment())

    assert not slow.done()
    gate.open()
    assert await slow == Count(count=1)
    await other.kill()
