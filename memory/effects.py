"""The ledger of effects: every call of a tool, written down before it happens and after it.

The invariant: nothing is done whose intent does not stand here, and what is decided about it stands in the audit log
by the same commit. Of two who work on one key, the first word on how it ended holds.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from .audit import AuditEvent, append, sayings
from .database import Database
from .effect import Begun, Effect, Intent, Known, Limit, NoApproval, Over
from .translated import translated

INTEND = """
INSERT INTO resprout.effects (key, tenant, run, step, tool, version, source, contract, chain, arguments, digest, owner)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (key) DO NOTHING RETURNING intended_at
"""

_COLUMNS = (
    "key, tenant, run, step, tool, version, source, contract, chain, arguments, digest, state, owner, attempts, "
    "agains, intended_at, tried_at, ended_at, result, error_type, error, resolved_by, resolution"
)

# Of a call that nobody limits: what it needs stands here, and what was decided in the audit log, by one statement.
INTEND_UNLIMITED = """
WITH begun AS (
    INSERT INTO resprout.effects
        (key, tenant, run, step, tool, version, source, contract, chain, arguments, digest, owner)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9::text[], $10::json, $11, $12::uuid
    WHERE NOT EXISTS (
        SELECT FROM resprout.tool_quotas
        WHERE tenant IN ('*', $2) AND (principal = '*' OR principal = ANY ($9::text[])) AND tool IN ('*', $5)
    )
    ON CONFLICT (key) DO NOTHING RETURNING intended_at
)
SELECT intended_at, resprout.append_audit($13::text[]) FROM begun
"""

FIND = f"SELECT {_COLUMNS} FROM resprout.effects WHERE key = $1"

# Only from the owner that was seen: of two who find the same dead attempt, one gets it.
TAKE_OVER = """
UPDATE resprout.effects SET state = 'intended', owner = $3, attempts = attempts + 1, tried_at = now(), ended_at = NULL
WHERE key = $1 AND owner = $2 AND state = $4 RETURNING key
"""

# That it was done is true, whichever attempt says so, and ends a doubt about that attempt. That an attempt failed says
# nothing of the one that took over.
END = """
UPDATE resprout.effects SET state = $3, ended_at = now(), result = $4, error_type = $5, error = $6
WHERE key = $1 AND (owner = $2 AND state IN ('intended', 'in-doubt') OR state = 'intended' AND $3 = 'done')
RETURNING key
"""

DOUBT = """
UPDATE resprout.effects SET state = 'in-doubt', ended_at = now(), error = $3
WHERE key = $1 AND owner = $2 AND state = 'intended' RETURNING key
"""

RESOLVE = """
UPDATE resprout.effects
SET state = $2, result = $3, error_type = $4, error = $5, resolved_by = $6, resolution = $7, ended_at = now(),
    agains = agains + ($2 = 'again')::integer
WHERE key = $1 AND state = 'in-doubt' RETURNING key
"""

# An approval is good for one call, of exactly what was approved.
USE_APPROVAL = """
UPDATE resprout.approvals SET used_at = now()
WHERE id = $1 AND state = 'approved' AND used_at IS NULL RETURNING id
"""

# Of everybody in the chain: a run that somebody starts, or an agent that he asks, calls on his account.
QUOTAS = """
SELECT principal, tool, calls, per FROM resprout.tool_quotas
WHERE tenant IN ('*', $1) AND (principal = '*' OR principal = ANY ($2)) AND tool IN ('*', $3)
"""

CALLED = """
SELECT count(*) AS calls, min(intended_at) + $4::interval - now() AS frees_in FROM (
    SELECT intended_at FROM resprout.effects
    WHERE tenant = $1 AND ($2 = '*' OR tool = $2) AND ($3 = '*' OR $3 = ANY (chain))
      AND intended_at > now() - $4::interval
    ORDER BY intended_at DESC LIMIT $5
) AS latest
"""

# Whoever counts calls waits for those that are about to be counted.
ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended($1, 7))"

HAS_CALLED = """
SELECT EXISTS (SELECT FROM resprout.effects WHERE tenant = $1 AND run = $2 AND tool = $3 AND version = $4)
"""

LIST = f"""
SELECT {_COLUMNS} FROM resprout.effects
WHERE ($1::text IS NULL OR tool = $1) AND ($2::text IS NULL OR run = $2) AND ($3::text IS NULL OR state = $3)
  AND ($4::text IS NULL OR tenant = $4)
ORDER BY intended_at DESC LIMIT $5
"""

USAGE = """
SELECT tool, count(*) AS calls, count(*) FILTER (WHERE state = 'failed') AS failed,
       count(*) FILTER (WHERE state = 'in-doubt') AS in_doubt, max(intended_at) AS last_at,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - tried_at)) AS p50_seconds,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - tried_at)) AS p95_seconds
FROM resprout.effects
WHERE intended_at > now() - $1::interval AND ($2::text IS NULL OR tenant = $2) AND ($3::text IS NULL OR tool = $3)
GROUP BY tool ORDER BY calls DESC, tool
"""

RESOLVED = "Resolved"  # the kind of failure of an effect of which a person says that it was not done


class _Undo(Exception):
    pass


@dataclass(frozen=True)
class Effects:
    open: Callable[[], Awaitable[Database]]  # a pool, the first time and again

    async def find(self, key: str) -> Effect | None:
        with translated():
            row = await (await self.open()).pool.fetchrow(FIND, key)
        return Effect(**row) if row is not None else None

    async def has_called(self, tenant: str, run: str, tool: str, version: str) -> bool:
        with translated():
            return bool(await (await self.open()).pool.fetchval(HAS_CALLED, tenant, run, tool, version))

    async def intend(
        self, intent: Intent, events: Sequence[AuditEvent], limits: Sequence[Limit], approval: str | None
    ) -> Begun | Known | Over | NoApproval:
        """Only after `Begun` may it happen. The events are in the audit log then."""
        if not limits and approval is None:
            with translated():
                at = await (await self.open()).pool.fetchval(INTEND_UNLIMITED, *_values(intent), sayings(events))
            if at is not None:
                return Begun(at)
        with translated():
            async with (await self.open()).pool.acquire() as connection:
                try:
                    async with connection.transaction():
                        outcome = await self._intend(connection, intent, limits, approval)
                        if not isinstance(outcome, Begun):
                            raise _Undo
                        await append(connection, events)
                except _Undo:
                    pass
        return outcome

    async def _intend(
        self, connection: Any, intent: Intent, limits: Sequence[Limit], approval: str | None
    ) -> Begun | Known | Over | NoApproval:
        over = await self._over(connection, intent, limits)
        if over is not None:
            found = await connection.fetchrow(FIND, intent.key)
            return Known(Effect(**found)) if found is not None else over
        began = await connection.fetchval(INTEND, *_values(intent))
        if began is None:
            return Known(Effect(**await connection.fetchrow(FIND, intent.key)))
        if approval is not None and await connection.fetchval(USE_APPROVAL, approval) is None:
            return NoApproval()
        return Begun(began)

    async def _over(self, connection: Any, intent: Intent, limits: Sequence[Limit]) -> Over | None:
        rows = await connection.fetch(QUOTAS, intent.tenant, list(intent.chain), intent.tool)
        every = [*limits, *(Limit(row["tool"], row["principal"], row["calls"], row["per"]) for row in rows)]
        for limit in sorted(every, key=lambda one: (one.tool, one.principal)):  # the same order for all
            await connection.execute(ONE_AT_A_TIME, f"{intent.tenant}/{limit.tool}/{limit.principal}")
            row = await connection.fetchrow(CALLED, intent.tenant, limit.tool, limit.principal, limit.per, limit.calls)
            if row["calls"] >= limit.calls:
                return Over(limit, max(row["frees_in"], timedelta(milliseconds=10)))
        return None

    async def take_over(self, effect: Effect, owner: UUID, events: Sequence[AuditEvent]) -> bool:
        """The attempt before is gone, and this one does it again. False: another one came first."""
        return await self._settled(events, TAKE_OVER, effect.key, effect.owner, owner, effect.state)

    async def done(self, key: str, owner: UUID, result: Any, events: Sequence[AuditEvent]) -> bool:
        return await self._settled(events, END, key, owner, "done", json.dumps(result), None, None)

    async def failed(self, key: str, owner: UUID, kind: str, text: str, events: Sequence[AuditEvent]) -> bool:
        return await self._settled(events, END, key, owner, "failed", None, kind, text)

    async def doubt(self, key: str, owner: UUID, known: str, events: Sequence[AuditEvent]) -> bool:
        return await self._settled(events, DOUBT, key, owner, known)

    async def resolve(
        self,
        key: str,
        state: str,  # done, failed or again
        by: str,
        resolution: str,
        events: Sequence[AuditEvent],
        *,
        result: Any = None,
    ) -> bool:
        """False: it is not in doubt any more."""
        failed = (RESOLVED, f"{by} says that it was not done: {resolution}") if state == "failed" else (None, None)
        given = json.dumps(result) if state == "done" else None
        return await self._settled(events, RESOLVE, key, state, given, *failed, by, resolution)

    async def latest(
        self,
        *,
        tool: str | None = None,
        run: str | None = None,
        state: str | None = None,
        tenant: str | None = None,
        limit: int = 100,
    ) -> list[Effect]:
        """The latest first."""
        with translated():
            rows = await (await self.open()).pool.fetch(LIST, tool, run, state, tenant, limit)
        return [Effect(**row) for row in rows]

    async def usage(self, since: timedelta, *, tenant: str | None, tool: str | None) -> list[dict[str, Any]]:
        with translated():
            return [dict(row) for row in await (await self.open()).pool.fetch(USAGE, since, tenant, tool)]

    async def _settled(self, events: Sequence[AuditEvent], statement: str, *values: Any) -> bool:
        said = f"${len(values) + 1}::text[]"
        both = f"WITH settled AS ({statement}) SELECT resprout.append_audit({said}) FROM settled"
        with translated():
            return await (await self.open()).pool.fetchval(both, *values, sayings(events)) is not None


def _values(intent: Intent) -> tuple[Any, ...]:
    where = (intent.key, intent.tenant, intent.run, intent.step)
    what = (intent.tool, intent.version, intent.source, intent.contract, list(intent.chain))
    return (*where, *what, json.dumps(intent.arguments), intent.digest, intent.owner)
