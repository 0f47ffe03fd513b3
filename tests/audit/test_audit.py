"""The audit log against those who would like it to say something else."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
from resprout.memory.audit import Audit, AuditEvent, AuditRow, Head, append
from resprout.memory.audit_check import Fault, Whole, check
from resprout.memory.database import Database
from resprout.runtime import audit_files


def event(number: int) -> AuditEvent:
    return AuditEvent(
        kind="decided",
        tenant="default",
        chain=("user:ada", "agent:researcher/alice"),
        run="report",
        step=f"step-{number}",
        tool="http.get",
        version="1.0.0",
        arguments={"url": f"https://example.org/{number}", "quote": 'é "\\ \n'},
        verdict="allow",
        reasons=("it is granted",),
        policy="abc",
        grounds=("grant 7",) if number % 2 else None,
    )


@pytest.fixture
async def audit(database: Database) -> Audit:
    log = Audit(database.opened)
    await log.append([event(number) for number in range(1, 8)])
    return log


async def found(audit: Audit) -> Whole | Fault:
    return await check(audit.rows(), [await audit.head()])


async def as_superuser(database: Database, *statements: str) -> None:
    async with database.pool.acquire() as connection:
        await connection.execute("ALTER TABLE resprout.audit DISABLE TRIGGER ALL")
        for statement in statements:
            await connection.execute(statement)
        await connection.execute("ALTER TABLE resprout.audit ENABLE TRIGGER ALL")


async def test_a_log_that_nobody_touched_is_whole(audit: Audit) -> None:
    result = await found(audit)

    assert isinstance(result, Whole)
    assert result.rows == 7
    assert result.head == await audit.head()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE resprout.audit SET verdict = 'deny'",
        "UPDATE resprout.audit SET hash = hash WHERE seq = 1",
        "DELETE FROM resprout.audit WHERE seq = 7",
        "TRUNCATE resprout.audit",
    ],
)
async def test_the_database_refuses_to_change_the_log(audit: Audit, database: Database, statement: str) -> None:
    with pytest.raises(asyncpg.RaiseError, match="only added to"):
        await database.pool.execute(statement)


@pytest.mark.parametrize(
    ("seq", "what", "statement"),
    [
        (3, "changed", """UPDATE resprout.audit SET arguments = '{"url": "evil"}' WHERE seq = 3"""),
        (3, "changed", "UPDATE resprout.audit SET reasons = '{it is  granted}' WHERE seq = 3"),
        (3, "changed", "UPDATE resprout.audit SET run = NULL WHERE seq = 3"),
        (3, "changed", "UPDATE resprout.audit SET grounds = '{grant 8}' WHERE seq = 3"),
        (3, "changed", "UPDATE resprout.audit SET grounds = NULL WHERE seq = 3"),
        (4, "changed", "UPDATE resprout.audit SET grounds = '{}' WHERE seq = 4"),
        (3, "changed", "UPDATE resprout.audit SET at = at + interval '1 microsecond' WHERE seq = 3"),
        (3, "changed", "UPDATE resprout.audit SET hash = set_byte(hash, 0, get_byte(hash, 0) # 1) WHERE seq = 3"),
        (3, "missing", "DELETE FROM resprout.audit WHERE seq = 3"),
        (1, "missing", "DELETE FROM resprout.audit WHERE seq = 1"),
        (6, "cut off", "DELETE FROM resprout.audit WHERE seq > 5"),
        (1, "cut off", "TRUNCATE resprout.audit"),
        (
            3,
            "changed",
            "UPDATE resprout.audit SET seq = CASE seq WHEN 3 THEN -4 ELSE -3 END WHERE seq IN (3, 4);"
            "UPDATE resprout.audit SET seq = -seq WHERE seq < 0",
        ),
    ],
)
async def test_a_superuser_who_changes_the_log_is_found_out(
    audit: Audit, database: Database, seq: int, what: str, statement: str
) -> None:
    await as_superuser(database, statement)

    result = await found(audit)

    assert isinstance(result, Fault)
    assert (result.seq, result.what) == (seq, what)


async def test_a_row_that_was_changed_with_its_hash_breaks_the_chain(audit: Audit) -> None:
    rows = [row async for row in audit.rows()]
    forged = replace(rows[2], verdict="deny")
    rows[2] = replace(forged, hash=forged.expected_hash)

    result = await check(_each(rows))

    assert isinstance(result, Fault)
    assert (result.seq, result.what) == (3, "replaced")


async def test_a_log_that_was_written_anew_is_found_out_by_what_was_kept_elsewhere(audit: Audit) -> None:
    kept = await audit.head()
    rows: list[AuditRow] = []
    async for row in audit.rows():
        previous = rows[-1].hash if rows else b""
        forged = replace(row, verdict="deny", previous=previous)
        rows.append(replace(forged, hash=forged.expected_hash))

    assert isinstance(await check(_each(rows)), Whole)
    result = await check(_each(rows), [kept])
    shorter = await check(_each(rows[:5]), [kept])

    assert isinstance(result, Fault)
    assert result.what == "forged"
    assert isinstance(shorter, Fault)
    assert shorter.what == "cut off"


async def test_rows_that_change_places_in_a_file_are_found_out(audit: Audit) -> None:
    rows = [row async for row in audit.rows()]

    result = await check(_each([rows[0], rows[1], rows[1]]))

    assert isinstance(result, Fault)
    assert (result.seq, result.what) == (2, "reordered")


async def test_many_who_append_at_once_make_one_chain(audit: Audit) -> None:
    await asyncio.gather(*(audit.append([event(number), event(-number)]) for number in range(40)))

    result = await found(audit)

    assert isinstance(result, Whole)
    assert result.rows == 87


async def test_what_is_rolled_back_leaves_no_row_and_no_gap(audit: Audit, database: Database) -> None:
    async def fails() -> None:
        async with database.pool.acquire() as connection, connection.transaction():
            await append(connection, [event(100)])
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it is ours
        await fails()
    await audit.append([event(8)])

    result = await found(audit)
    assert isinstance(result, Whole)
    assert result.rows == 8


@pytest.mark.parametrize("name", ["log.jsonl", "log.csv"])
async def test_an_exported_log_is_checked_without_a_database(audit: Audit, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with path.open("w", newline="") as file:
        await audit_files.write(audit.rows(), file, as_csv=name.endswith(".csv"))

    assert await check(audit_files.read(path), [await audit.head()]) == await found(audit)
    text = path.read_text()
    path.write_text(text.replace("example.org/5", "example.org/6", 1))
    result = await check(audit_files.read(path))

    assert isinstance(result, Fault)
    assert (result.seq, result.what) == (5, "changed")


async def test_a_file_that_begins_in_the_middle_is_held_against_the_anchor_before_it(audit: Audit) -> None:
    rows = [row async for row in audit.rows()]
    before = Head(2, rows[1].hash)

    whole = await check(audit.rows(2), [before], begins_after=2)
    forged = await check(audit.rows(2), [Head(2, bytes(32))], begins_after=2)
    older = await check(audit.rows(2), [Head(1, bytes(32)), before], begins_after=2)

    assert isinstance(whole, Whole)
    assert isinstance(forged, Fault)
    assert (forged.seq, forged.what) == (2, "forged")
    assert isinstance(older, Whole)
    assert (whole.unheld, older.unheld) == ((), (1,))


# As `resprout audit export` wrote them before there were grounds.
OLD_ROWS = """\
{"seq": 1, "at": "2026-11-21T20:30:00.000001+00:00", "kind": "decided", "tenant": "default", "chain": ["user:ada"], \
"run": null, "step": "one", "tool": "text.count", "version": "1.0.0", "verdict": "allow", "reasons": ["so"], \
"policy": "abc", "approval": null, "arguments": "{}", "digest": "d", "previous": "", \
"hash": "HASH"}
"""


def test_rows_from_before_there_were_grounds_are_verified_as_ever() -> None:
    said = b'[1,"2026-11-21T20:30:00.000001+00:00","decided","default",["user:ada"],null,"one","text.count","1.0.0",'
    said += b'"allow",["so"],"abc",null,"{}","d"]'

    row = AuditRow.from_json(json.loads(OLD_ROWS.replace("HASH", hashlib.sha256(said).hexdigest())))

    assert row.expected_hash == row.hash


async def test_what_is_no_news_is_said_once_until_something_else_is_said(audit: Audit, database: Database) -> None:
    throttled = replace(event(50), kind="throttled", is_news=True)

    for one in (throttled, throttled, event(50), throttled, replace(throttled, reasons=("another quota",))):
        await audit.append([one])

    rows = await audit.search(text="step-50")
    assert [(row.kind, row.reasons[0]) for row in reversed(rows)] == [
        ("throttled", "it is granted"),
        ("decided", "it is granted"),
        ("throttled", "it is granted"),
        ("throttled", "another quota"),
    ]
    assert isinstance(await found(audit), Whole)


async def test_the_log_is_searched_by_all_that_it_says(audit: Audit) -> None:
    await audit.append([replace(event(9), verdict="deny", kind="refused", tool="code.python", chain=("user:eve",))])

    async def seqs(search: Awaitable[list[AuditRow]]) -> list[int]:
        return [row.seq for row in await search]

    assert await seqs(audit.search(principal="user:eve")) == [8]
    assert await seqs(audit.search(verdict="deny", kind="refused", tool="code.python", run="report")) == [8]
    assert await seqs(audit.search(text="EXAMPLE.org/3")) == [3]
    assert await seqs(audit.search(text="grant 7", limit=3)) == [8, 7, 5]
    assert await seqs(audit.search(principal="user:ada", limit=2)) == [7, 6]
    assert await seqs(audit.search(until=(await audit.search(limit=1))[0].at, text="step-9")) == []


async def _each(rows: list[AuditRow]) -> AsyncIterator[AuditRow]:
    for row in rows:
        yield row
