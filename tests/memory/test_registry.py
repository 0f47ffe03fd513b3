"""The registry and the dead letters on a real Postgres, without hosts: time and leases are what the test writes."""

import json
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from resprout.actors.address import AgentAddress
from resprout.actors.errors import NotFound, Rejected
from resprout.actors.ids import new_id
from resprout.actors.store import HostRecord
from resprout.memory.agents import AgentRows
from resprout.memory.database import Database
from resprout.memory.dead_letters import DeadLetters
from resprout.memory.registry import Registry
from resprout.memory.store import PostgresStore

ABOUT = {"labels": {"floor": "2"}, "capabilities": [{"name": "count"}], "handlers": {}, "description": ""}


async def put_agent(database: Database, key: str) -> None:
    await database.pool.execute("INSERT INTO resprout.agents VALUES ('clerk', $1, '{}', 1)", key)


async def put_letter(database: Database, agent: AgentAddress, message: UUID, **envelope: str) -> None:
    await database.pool.execute(
        "INSERT INTO resprout.dead_letters VALUES ($1, $2, $3, 1, $4, 5, 'as it was', now())",
        *agent,
        message,
        json.dumps({"type": "clerk.work", "sender": "me", "body": '{"by": 1}', **envelope}),
    )


async def has_host(database: Database, lease: timedelta) -> None:
    store, host = PostgresStore(database), new_id()
    await store.enrol(HostRecord(host, "h", "", "here:1", "node", 1, "0"), timedelta(minutes=1))
    view = await store.renew(host, timedelta(minutes=1), {})
    await store.claim(host, view.shards, [host])
    await database.pool.execute("UPDATE resprout.hosts SET lease_until = clock_timestamp() + $1", lease)
    store.abandon()


async def test_a_kind_that_no_host_names_is_stale_and_after_a_day_forgotten(database: Database) -> None:
    store, registry = PostgresStore(database), Registry(database)
    await store.say_kinds({"clerk": (1, ABOUT), "old": (1, ABOUT)})
    await database.pool.execute("UPDATE resprout.kinds SET last_seen = now() - interval '31 s' WHERE kind = 'old'")

    assert {row.kind: row.stale for row in await registry.kinds(capability="count")} == {"clerk": False, "old": True}

    await database.pool.execute("UPDATE resprout.kinds SET last_seen = now() - interval '25 h' WHERE kind = 'old'")
    await store.say_kinds({"clerk": (1, ABOUT)})

    assert [row.kind for row in await registry.kinds(labels={"floor": "2"})] == ["clerk"]


@pytest.mark.parametrize(("lease", "health"), [(60, "healthy"), (-1, "stale")])
async def test_an_agent_is_as_well_as_the_lease_of_its_host(database: Database, lease: int, health: str) -> None:
    await put_agent(database, "a")
    await has_host(database, timedelta(seconds=lease))

    (found,) = await Registry(database).find()

    assert (found.agent, found.health) == ("clerk/a", health)
    (host,) = await Registry(database).hosts()
    assert (host.shards, host.alive) == (128, health == "healthy")


async def test_an_agent_without_any_host_is_stale(database: Database) -> None:
    await put_agent(database, "a")

    assert [one.agent for one in await Registry(database).find(health="stale")] == ["clerk/a"]


async def test_what_is_quarantined_is_found_also_without_a_state(database: Database) -> None:
    await put_agent(database, "a")
    for key in "ab":
        await database.pool.execute("INSERT INTO resprout.quarantined VALUES ('clerk', $1, 'poison')", key)

    found = await Registry(database).find(health="quarantined")

    assert [(one.agent, one.turns, one.reason) for one in found] == [("clerk/a", 1, "poison"), ("clerk/b", 0, "poison")]


async def test_an_instance_has_the_labels_and_capabilities_of_its_kind_and_its_own(database: Database) -> None:
    await PostgresStore(database).say_kinds({"clerk": (1, ABOUT)})
    for key in "abc":
        await put_agent(database, key)
    own = {"labels": {"floor": "3"}, "capabilities": [{"name": "sing"}]}
    await database.pool.execute("INSERT INTO resprout.described_agents VALUES ('clerk', 'b', $1)", json.dumps(own))
    registry = Registry(database)

    assert [one.agent for one in await registry.find(labels={"floor": "2"})] == ["clerk/a", "clerk/c"]
    (singer,) = await registry.find(capability="sing")
    assert (singer.labels, singer.capabilities) == ({"floor": "3"}, ["count", "sing"])
    assert [one.agent for one in await registry.find(after=("clerk", "a"), limit=1)] == ["clerk/b"]


async def test_a_letter_goes_back_with_its_id_no_attempts_and_no_deadline(database: Database) -> None:
    agent, message = AgentAddress("clerk", "a"), uuid4()
    await put_letter(database, agent, message, deadline="2020-01-01T00:00:00Z")

    assert await DeadLetters(database).replay(message) == agent

    row = await database.pool.fetchrow("SELECT * FROM resprout.mailbox")
    assert row is not None
    assert (row["message_id"], row["attempts"], row["in_memory"], row["bytes"]) == (message, 0, False, 9)
    assert "deadline" not in json.loads(row["envelope"])
    (waiting,) = await AgentRows(database).mailbox(agent)
    assert (waiting.message_id, waiting.type, waiting.sender) == (message, "clerk.work", "me")
    with pytest.raises(NotFound):
        await DeadLetters(database).replay(message)


async def test_a_letter_of_several_agents_is_replayed_only_when_one_is_named(database: Database) -> None:
    letters, message = DeadLetters(database), uuid4()
    for key in "ab":
        await put_letter(database, AgentAddress("clerk", key), message)

    with pytest.raises(Rejected, match="clerk/a, clerk/b"):
        await letters.replay(message)
    await letters.replay(message, AgentAddress("clerk", "b"))

    assert [letter.agent for letter in await letters.list()] == ["clerk/a"]


async def test_only_a_release_of_a_quarantined_agent_makes_its_host_look_again(database: Database) -> None:
    agent, rows = AgentAddress("clerk", "a"), AgentRows(database)
    await put_letter(database, agent, uuid4())
    await DeadLetters(database).replay_all(agent)
    await database.pool.execute("UPDATE resprout.mailbox SET in_memory = true")

    assert await rows.release(agent) is None
    assert await database.pool.fetchval("SELECT in_memory FROM resprout.mailbox")

    await database.pool.execute("INSERT INTO resprout.quarantined VALUES ('clerk', 'a', 'poison')")
    assert await rows.release(agent) == "poison"
    assert not await database.pool.fetchval("SELECT in_memory FROM resprout.mailbox")
    assert await rows.show(agent) is not None
