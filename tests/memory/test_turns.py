import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from resprout.actors.errors import BadMessage, DatabaseLost
from resprout.memory.database import Database
from resprout.memory.turns import AlreadyHandled, Committed, Reply, Snapshot, Superseded, Turn, Turns


@pytest.fixture
async def turns(dsn: str) -> AsyncIterator[Turns]:
    async with await Database.open(dsn) as database:
        yield Turns(database)


def turn(expected: int, message: UUID | None = None, total: int = 1) -> Turn:
    return Turn(
        kind="counter",
        key="a",
        message_id=message or uuid4(),
        expected_version=expected,
        state={"total": total},
        reply_type="total",
        reply={"total": total},
    )


async def test_a_turn_moves_state_version_mark_and_reply_together(turns: Turns) -> None:
    first = turn(0, total=7)

    assert await turns.commit(first) == Committed(1)

    snapshot = await turns.load("counter", "a")
    assert snapshot is not None
    assert (snapshot.state, snapshot.version) == ({"total": 7}, 1)
    assert await turns.reply_of("counter", "a", first.message_id) == Reply("total", {"total": 7})


async def test_an_agent_that_never_handled_a_message_has_no_state(turns: Turns) -> None:
    assert await turns.load("counter", "nobody") is None
    assert await turns.reply_of("counter", "nobody", uuid4()) is None


async def test_a_message_that_comes_again_gets_the_stored_reply_and_changes_nothing(turns: Turns) -> None:
    message = uuid4()
    await turns.commit(turn(0, message, total=1))

    again = await turns.commit(turn(1, message, total=2))

    assert again == AlreadyHandled(Reply("total", {"total": 1}))
    snapshot = await turns.load("counter", "a")
    assert snapshot is not None
    assert snapshot.version == 1


@pytest.mark.parametrize("expected", [0, 1, 3])
async def test_a_turn_on_another_version_leaves_nothing_not_even_its_mark(turns: Turns, expected: int) -> None:
    await turns.commit(turn(0))
    await turns.commit(turn(1))
    late = turn(expected, total=99)

    assert await turns.commit(late) == Superseded()

    assert await turns.reply_of("counter", "a", late.message_id) is None
    snapshot = await turns.load("counter", "a")
    assert snapshot is not None
    assert (snapshot.state, snapshot.version) == ({"total": 1}, 2)


async def test_one_message_committed_by_twenty_at_once_counts_once(turns: Turns) -> None:
    message = uuid4()

    outcomes = await asyncio.gather(*(turns.commit(turn(0, message)) for _ in range(20)))

    assert outcomes.count(Committed(1)) == 1
    assert outcomes.count(AlreadyHandled(Reply("total", {"total": 1}))) == 19


@pytest.mark.parametrize("version", [0, 1])
async def test_of_two_writers_on_one_version_exactly_one_wins(turns: Turns, version: int) -> None:
    for past in range(version):
        await turns.commit(turn(past))
    rivals = [turn(version, total=10), turn(version, total=20)]

    outcomes = await asyncio.gather(*map(turns.commit, rivals))

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Committed", "Superseded"]
    winner, loser = sorted(rivals, key=lambda rival: isinstance(outcomes[rivals.index(rival)], Superseded))
    assert await turns.load("counter", "a") == Snapshot(winner.state, version + 1)
    assert await turns.reply_of("counter", "a", winner.message_id) == Reply("total", winner.reply)
    assert await turns.reply_of("counter", "a", loser.message_id) is None


async def test_a_message_without_a_reply_is_remembered_as_handled(turns: Turns) -> None:
    silent = replace(turn(0), reply_type=None, reply=None)

    assert await turns.commit(silent) == Committed(1)

    assert await turns.reply_of("counter", "a", silent.message_id) == Reply(None, None)
    assert await turns.commit(silent) == AlreadyHandled(Reply(None, None))


async def test_a_state_that_json_in_postgres_cannot_hold_is_refused_in_words(turns: Turns) -> None:
    bad = replace(turn(0), state={"text": "a\u0000b"})

    with pytest.raises(BadMessage, match="cannot be stored"):
        await turns.commit(bad)

    assert await turns.load("counter", "a") is None


async def test_a_connection_that_breaks_in_a_commit_leaves_the_outcome_unknown(turns: Turns) -> None:
    async with turns.pool.acquire() as holder:
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute("LOCK TABLE resprout.handled IN ACCESS EXCLUSIVE MODE")
        commit = asyncio.create_task(turns.commit(turn(0)))
        blocked = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        while not (pids := await holder.fetch(blocked)):
            await holder.execute("SELECT pg_sleep(0.01), pg_stat_clear_snapshot()")

        await holder.execute(f"SELECT pg_terminate_backend({pids[0]['pid']})")

        with pytest.raises(DatabaseLost, match="same id"):
            await commit
        await transaction.rollback()
    assert await turns.commit(turn(0)) == Committed(1)
