"""How long it is remembered that a key was run in a sandbox."""

from datetime import timedelta
from uuid import uuid4

import pytest
from resprout.memory import migrate, retention, workspaces
from resprout.memory.database import Database
from resprout.memory.sandbox_runs import FORGET, ONE_AT_A_TIME, Intent, SandboxRuns

MONTH = timedelta(days=30)
DAY = timedelta(days=1)


@pytest.fixture
def runs(database: Database) -> SandboxRuns:
    return SandboxRuns(database.opened)


async def put(runs: SandboxRuns, key: str, age: timedelta, ended: timedelta | None, limit: timedelta = DAY) -> None:
    """Intended so long ago, ended so long ago."""
    intent = Intent(key, "default", b"", "docker", "here", uuid4(), reaches_out=False, time_limit=limit)
    assert await runs.intend(intent)
    await (await runs.open()).pool.execute(
        "UPDATE resprout.sandbox_runs SET intended_at = now() - $2::interval, seen_at = now() - $2::interval, "
        "ended_at = now() - $3::interval, state = $4 WHERE key = $1",
        *(key, age, ended, "started" if ended is None else "ended"),
    )


async def left(database: Database) -> set[str]:
    return {row["key"] for row in await database.pool.fetch("SELECT key FROM resprout.sandbox_runs")}


async def test_what_ended_long_ago_is_forgotten_and_the_rest_remembered(runs: SandboxRuns, database: Database) -> None:
    await put(runs, "old", 40 * DAY, 40 * DAY)
    await put(runs, "began long ago", 40 * DAY, 10 * DAY)
    await put(runs, "new", DAY, DAY)

    assert await runs.forget(MONTH, 100) == 1

    assert await left(database) == {"began long ago", "new"}


async def test_a_run_stays_while_its_step_can_be_tried_again(runs: SandboxRuns, database: Database) -> None:
    await put(runs, "may take long", 40 * DAY, 40 * DAY, limit=20 * DAY)

    assert await runs.forget(MONTH, 100) == 0


async def test_a_run_that_nobody_has_asked_for_again_is_forgotten_too(runs: SandboxRuns, database: Database) -> None:
    await put(runs, "abandoned", 40 * DAY, None)
    await put(runs, "looked after", 40 * DAY, None)
    found = await runs.find("looked after")
    assert found is not None
    await runs.seen(["looked after"], found.owner)

    assert await runs.forget(MONTH, 100) == 1

    assert await left(database) == {"looked after"}


async def test_the_oldest_go_first_and_so_many_at_a_time(runs: SandboxRuns, database: Database) -> None:
    for days in (50, 70, 60):
        await put(runs, str(days), days * DAY, days * DAY)

    assert [await runs.forget(MONTH, 2) for _ in range(3)] == [2, 1, 0]


async def test_one_process_at_a_time_forgets(runs: SandboxRuns, database: Database) -> None:
    await put(runs, "old", 40 * DAY, 40 * DAY)

    async with database.pool.acquire() as other, other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock($1)", ONE_AT_A_TIME)
        assert await runs.forget(MONTH, 100) == 0

    assert await runs.forget(MONTH, 100) == 1


def test_who_makes_a_workspace_does_not_wait_for_who_forgets_runs() -> None:
    assert len({migrate.LOCK, retention.ONE_AT_A_TIME, ONE_AT_A_TIME, workspaces.ONE_AT_A_TIME}) == 4


async def test_runs_are_found_along_the_index(database: Database) -> None:
    await database.pool.execute(
        "INSERT INTO resprout.sandbox_runs (key, tenant, spec_hash, backend, place, owner, intended_at) "
        "SELECT n::text, 'default', '', 'docker', 'here', gen_random_uuid(), now() - n * interval '1 min' "
        "FROM generate_series(1, 50000) AS n"
    )
    await database.pool.execute("ANALYZE resprout.sandbox_runs")

    plan = "\n".join(row[0] for row in await database.pool.fetch(f"EXPLAIN {FORGET}", MONTH, 100))

    assert "sandbox_runs_by_age" in plan
    assert "Seq Scan on sandbox_runs" not in plan
