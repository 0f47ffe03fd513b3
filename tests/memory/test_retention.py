"""How long handled messages are remembered, and what becomes of mailbox rows of those that were, on a real Postgres."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

from resprout.actors.address import AgentAddress
from resprout.actors.envelope import Replied
from resprout.actors.marks import Mark
from resprout.memory.database import Database
from resprout.memory.retention import FORGET, ONE_AT_A_TIME
from resprout.memory.store import PostgresStore
from support.stack import Stack, eventually, kill

WEEK = timedelta(days=7)
AGENT = AgentAddress("clerk", "a")


async def put_mark(database: Database, age: timedelta, agent: AgentAddress = AGENT) -> UUID:
    message = uuid4()
    await database.pool.execute(
        "INSERT INTO resprout.handled (kind, key, message_id, reply_type, reply, handled_at) "
        "VALUES ($1, $2, $3, 'clerk.done', '{\"count\": 1}', now() - $4::interval)",
        *agent,
        message,
        age,
    )
    return message


async def put_row(database: Database, message: UUID, agent: AgentAddress = AGENT) -> None:
    await database.pool.execute(
        "INSERT INTO resprout.mailbox (kind, key, message_id, shard, envelope, bytes, in_memory) "
        "VALUES ($1, $2, $3, 1, '{}', 2, false)",
        *agent,
        message,
    )


async def put_letter(database: Database, message: UUID) -> None:
    await database.pool.execute(
        "INSERT INTO resprout.dead_letters VALUES ($1, $2, $3, 1, '{}', 5, 'as it was', now())", *AGENT, message
    )


async def marks(database: Database) -> set[UUID]:
    return {row["message_id"] for row in await database.pool.fetch("SELECT message_id FROM resprout.handled")}


async def test_what_is_older_is_forgotten_and_the_rest_remembered(database: Database) -> None:
    store = PostgresStore(database)
    old, young = await put_mark(database, timedelta(days=8)), await put_mark(database, timedelta(days=6))

    assert await store.forget_handled(WEEK, 100) == 1

    assert await marks(database) == {young}
    assert await store.marks([(AGENT, old), (AGENT, young)]) == [
        None,
        Mark(Replied(type="clerk.done", version=1, body='{"count": 1}')),
    ]


async def test_the_oldest_go_first_and_so_many_at_a_time(database: Database) -> None:
    store = PostgresStore(database)
    by_age = [await put_mark(database, timedelta(days=days)) for days in (8, 12, 10, 9, 11)]

    assert [await store.forget_handled(WEEK, 2)] == [2]
    assert await marks(database) == {by_age[0], by_age[2], by_age[3]}

    assert [await store.forget_handled(WEEK, 2) for _ in range(3)] == [2, 1, 0]


async def test_a_mark_stays_while_its_message_can_come_again_from_our_own_tables(database: Database) -> None:
    store = PostgresStore(database)
    waiting, dead, done = [await put_mark(database, timedelta(days=8)) for _ in range(3)]
    await put_row(database, waiting)
    await put_row(database, done, AgentAddress("clerk", "b"))  # another agent's copy, of a topic
    await put_letter(database, dead)

    assert await store.forget_handled(WEEK, 100) == 1

    assert await marks(database) == {waiting, dead}


async def test_one_host_at_a_time_forgets(database: Database) -> None:
    store = PostgresStore(database)
    await put_mark(database, timedelta(days=8))

    async with database.pool.acquire() as other, other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock($1)", ONE_AT_A_TIME)
        assert await store.forget_handled(WEEK, 100) == 0

    assert await store.forget_handled(WEEK, 100) == 1  # and the lock is free again


async def test_hosts_that_forget_together_forget_each_mark_once(database: Database) -> None:
    for _ in range(50):
        await put_mark(database, timedelta(days=8))
    stores = [PostgresStore(database) for _ in range(4)]

    gone = 0
    while await marks(database):
        gone += sum(await asyncio.gather(*(store.forget_handled(WEEK, 10) for store in stores)))

    assert gone == 50


async def test_marks_are_found_along_the_index(database: Database) -> None:
    await database.pool.execute(
        "INSERT INTO resprout.handled (kind, key, message_id, handled_at) "
        "SELECT 'clerk', 'a', gen_random_uuid(), now() - n * interval '1 min' FROM generate_series(1, 20000) AS n"
    )
    await database.pool.execute("ANALYZE resprout.handled")

    plan = "\n".join(row[0] for row in await database.pool.fetch(f"EXPLAIN {FORGET}", WEEK, 100))

    assert "handled_by_age" in plan
    assert "Seq Scan on handled" not in plan


async def test_a_mailbox_row_of_a_message_that_was_handled_is_swept_out_when_that_is_seen(database: Database) -> None:
    store, other = PostgresStore(database), AgentAddress("clerk", "b")
    handled, waiting = await put_mark(database, timedelta(0)), uuid4()
    for message, agent in ((handled, AGENT), (waiting, AGENT), (handled, other)):
        await put_row(database, message, agent)

    found = await store.marks([(AGENT, handled), (AGENT, waiting), (other, handled)])

    assert found == [Mark(Replied(type="clerk.done", version=1, body='{"count": 1}')), None, None]
    left = await database.pool.fetch("SELECT key, message_id FROM resprout.mailbox ORDER BY key")
    assert [(row["key"], row["message_id"]) for row in left] == [("a", waiting), ("b", handled)]


def test_a_host_forgets_by_itself(stack: Stack) -> None:
    """At its start for the first time."""
    first = stack.host_pid()
    stack.sql(
        "INSERT INTO resprout.handled (kind, key, message_id, handled_at) "
        "SELECT 'clerk', 'forgotten', gen_random_uuid(), now() - interval '8 days' FROM generate_series(1, 10)"
    )

    kill(first)

    eventually(lambda: not stack.sql("SELECT FROM resprout.handled WHERE key = 'forgotten'"), "they are forgotten")
    stack.wait_for_another_host(than=first)
