"""What waits for a person: the one inbox for calls of tools and for tasks of flows.

The invariant: an answer is given once, and for exactly what was asked or what the answer itself put in its place.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .audit import AuditEvent, append
from .database import Database
from .translated import translated

_COLUMNS = (
    "id, kind, tenant, run, task, title, chain, who, tool, version, arguments, digest, shown, reasons, form, "
    "CASE WHEN state = 'pending' AND expires_at < now() THEN 'expired' ELSE state END AS state, "
    "asked_at, expires_at, answered_at, answered_by, comment, edited, used_at, now() AS seen_at"
)

ASK = """
INSERT INTO resprout.approvals
    (id, kind, tenant, run, task, title, chain, who, tool, version, arguments, digest, shown, reasons, form, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, now() + $16::interval)
ON CONFLICT (id) DO NOTHING RETURNING id
"""

FIND = f"SELECT {_COLUMNS} FROM resprout.approvals WHERE id = $1"

# What somebody types: the id, or the run, or the run and the task.
LOOK = f"""
SELECT {_COLUMNS} FROM resprout.approvals
WHERE id = $1 OR run = $1 OR run || '/' || task = $1
ORDER BY state <> 'pending', asked_at DESC LIMIT 20
"""

ANSWER = """
UPDATE resprout.approvals
SET state = $2, answered_by = $3, comment = $4, edited = $5, digest = coalesce($6, digest), answered_at = now()
WHERE id = $1 AND state = 'pending' AND (expires_at IS NULL OR expires_at > now()) RETURNING id
"""

EXPIRE = """
UPDATE resprout.approvals SET state = 'expired', answered_at = now()
WHERE id = $1 AND state = 'pending'
RETURNING id, tenant, run, chain, tool, version, arguments
"""

WITHDRAW = """
UPDATE resprout.approvals SET state = 'withdrawn', answered_at = now()
WHERE id = ANY ($1::text[]) AND state = 'pending'
RETURNING id, tenant, run, chain, tool, version, arguments
"""

LIST = f"""
SELECT * FROM (SELECT {_COLUMNS} FROM resprout.approvals) AS seen
WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR tenant = $2) AND ($3::text IS NULL OR run = $3)
ORDER BY asked_at DESC LIMIT $4
"""


@dataclass(frozen=True)
class Asked:
    """A question to people."""

    id: str
    kind: str
    tenant: str
    run: str
    task: str
    title: str
    chain: Sequence[str]
    who: Sequence[str] = ()
    tool: str | None = None
    version: str | None = None
    arguments: dict[str, Any] | None = None
    digest: str | None = None
    shown: Any = None
    reasons: Sequence[str] = ()
    form: dict[str, Any] = field(default_factory=dict)
    lasts: timedelta | None = None  # None: for ever


@dataclass(frozen=True)
class Approval:
    id: str
    kind: str
    tenant: str
    run: str
    task: str
    title: str
    chain: list[str]
    who: list[str]
    tool: str | None
    version: str | None
    arguments: str | None  # JSON
    digest: str | None
    shown: str | None  # JSON
    reasons: list[str]
    form: str  # JSON
    state: str
    asked_at: datetime
    expires_at: datetime | None
    answered_at: datetime | None
    answered_by: str | None
    comment: str
    edited: str | None  # JSON
    used_at: datetime | None
    seen_at: datetime  # by the clock that expires it

    def as_json(self) -> dict[str, Any]:
        parsed = {name: _parsed(getattr(self, name)) for name in ("arguments", "shown", "form", "edited")}
        times = {
            name: value.isoformat() if (value := getattr(self, name)) is not None else None
            for name in ("asked_at", "expires_at", "answered_at", "used_at")
        }
        return {name: value for name, value in {**vars(self), **parsed, **times}.items() if name != "seen_at"}


@dataclass(frozen=True)
class Approvals:
    open: Callable[[], Awaitable[Database]]  # a pool, the first time and again

    async def ask(self, asked: Asked, events: Sequence[AuditEvent]) -> Approval:
        """Asks, or finds what was asked by this id before."""
        values = (asked.id, asked.kind, asked.tenant, asked.run, asked.task, asked.title, list(asked.chain))
        shown = json.dumps(asked.shown) if asked.shown is not None else None
        arguments = json.dumps(asked.arguments) if asked.arguments is not None else None
        more = (list(asked.who), asked.tool, asked.version, arguments, asked.digest, shown, list(asked.reasons))
        with translated():
            async with (await self.open()).pool.acquire() as connection, connection.transaction():
                new = await connection.fetchval(ASK, *values, *more, json.dumps(asked.form), asked.lasts)
                if new is not None:
                    await append(connection, events)
                row = await connection.fetchrow(FIND, asked.id)
                assert row is not None
                return Approval(**row)

    async def find(self, id: str) -> Approval | None:  # noqa: A002
        with translated():
            row = await (await self.open()).pool.fetchrow(FIND, id)
        return Approval(**row) if row is not None else None

    async def look(self, words: str) -> list[Approval]:
        """Those that somebody can mean by an id, a run, or a run and a task."""
        with translated():
            return [Approval(**row) for row in await (await self.open()).pool.fetch(LOOK, words)]

    async def answer(
        self,
        id: str,  # noqa: A002
        state: str,  # approved or rejected
        by: str,
        comment: str,
        events: Sequence[AuditEvent],
        *,
        edited: dict[str, Any] | None = None,
        digest: str | None = None,
    ) -> bool:
        """False: it is not pending any more."""
        given = json.dumps(edited) if edited is not None else None
        with translated():
            async with (await self.open()).pool.acquire() as connection, connection.transaction():
                if await connection.fetchval(ANSWER, id, state, by, comment, given, digest) is None:
                    return False
                await append(connection, events)
                return True

    async def withdraw(self, ids: Sequence[str], why: str) -> None:
        """Nobody waits for the answers any more."""
        with translated():
            async with (await self.open()).pool.acquire() as connection, connection.transaction():
                rows = await connection.fetch(WITHDRAW, list(ids))
                await append(connection, [_ended("withdrawn", row, why, None) for row in rows])

    async def expire(self, id: str, why: str, verdict: str) -> None:  # noqa: A002
        """Nobody answered in time, says who waits for it. What was answered, or expired before, stays what it is."""
        with translated():
            async with (await self.open()).pool.acquire() as connection, connection.transaction():
                row = await connection.fetchrow(EXPIRE, id)
                if row is not None:
                    await append(connection, [_ended("expired", row, why, verdict)])

    async def latest(
        self, *, state: str | None = None, tenant: str | None = None, run: str | None = None, limit: int = 100
    ) -> list[Approval]:
        """The latest first."""
        with translated():
            rows = await (await self.open()).pool.fetch(LIST, state, tenant, run, limit)
        return [Approval(**row) for row in rows]


def _ended(kind: str, row: Any, why: str, verdict: str | None) -> AuditEvent:
    return AuditEvent(
        kind=kind,
        tenant=row["tenant"],
        chain=row["chain"],
        run=row["run"],
        step=row["id"],
        tool=row["tool"] or "",
        version=row["version"] or "",
        arguments=_parsed(row["arguments"]) or {},
        verdict=verdict,
        reasons=(why,),
    )


def _parsed(text: str | None) -> Any:
    return json.loads(text) if text is not None else None
