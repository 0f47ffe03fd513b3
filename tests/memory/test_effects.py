"""The ledger: what is about to happen and what was decided about it, by one statement."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from resprout.actors.errors import BadMessage
from resprout.memory.audit import Audit, AuditEvent
from resprout.memory.audit_check import Whole, check
from resprout.memory.database import Database
from resprout.memory.effect import Begun, Intent, Known, Limit, Over
from resprout.memory.effects import Effects

DECIDED = AuditEvent(kind="decided", tenant="default", chain=("user:ada", "run:report"), tool="text.count")


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    async with await Database.open(dsn, pool_size=4, resets=False) as database:
        yield database


@pytest.fixture
def effects(database: Database) -> Effects:
    return Effects(database.opened)


@pytest.fixture
def audit(database: Database) -> Audit:
    return Audit(database.opened)


def intent(key: str) -> Intent:
    return Intent(
        key=key, tenant="default", run="report", step="count", tool="text.count", version="1.0.0", source="built-in",
        contract="at-most-once", chain=("user:ada", "run:report"), arguments={"text": "a b"}, digest="d", owner=uuid4(),
    )  # fmt: skip


async def test_an_intent_brings_its_decision_and_an_outcome_its_own_row(effects: Effects, audit: Audit) -> None:
    given = intent("one")

    assert isinstance(await effects.intend(given, [DECIDED], [], None), Begun)
    assert await effects.done("one", given.owner, {"count": 2}, [replace(DECIDED, kind="done")])

    assert [row.kind async for row in audit.rows()] == ["decided", "done"]
    assert isinstance(await check(audit.rows(), [await audit.head()]), Whole)


async def test_what_began_before_is_found_and_nothing_is_written(effects: Effects, audit: Audit) -> None:
    given = intent("one")
    await effects.intend(given, [DECIDED], [], None)

    again = await effects.intend(replace(given, owner=uuid4()), [DECIDED], [], None)

    assert isinstance(again, Known)
    assert again.effect.owner == given.owner
    assert (await audit.head()).seq == 1


async def test_a_decision_that_cannot_be_written_leaves_no_intent(effects: Effects, audit: Audit) -> None:
    with pytest.raises(BadMessage):
        await effects.intend(intent("one"), [replace(DECIDED, tenant="a\0b")], [], None)

    assert await effects.find("one") is None
    assert (await audit.head()).seq == 0


async def test_an_outcome_that_is_not_taken_writes_no_row(effects: Effects, audit: Audit) -> None:
    given = intent("one")
    await effects.intend(given, [DECIDED], [], None)
    await effects.done("one", given.owner, 1, [replace(DECIDED, kind="done")])

    assert not await effects.failed("one", given.owner, "ToolError", "late", [replace(DECIDED, kind="failed")])

    assert [row.kind async for row in audit.rows()] == ["decided", "done"]


@pytest.mark.parametrize("principal", ["*", "run:report"])
async def test_a_quota_stops_the_call_after_its_last_and_writes_nothing(
    effects: Effects, audit: Audit, database: Database, principal: str
) -> None:
    await database.pool.execute(
        "INSERT INTO resprout.tool_quotas (tenant, principal, tool, calls, per, set_by) "
        "VALUES ('default', $1, 'text.count', 1, '1 minute', 'user:ada')",
        principal,
    )
    assert isinstance(await effects.intend(intent("one"), [DECIDED], [], None), Begun)

    over = await effects.intend(intent("two"), [DECIDED], [], None)

    assert isinstance(over, Over)
    assert over.limit == Limit("text.count", principal, 1, timedelta(minutes=1))
    assert (await audit.head()).seq == 1
