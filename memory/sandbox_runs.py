"""The record of what ran in sandboxes: intent, start and end of each key.

The invariant: a key that was started is never started again. Who finds one whose owner is gone either comes back to
it, where the backend can, or leaves it in doubt. The one exception is made by who ends a run on purpose, has seen that
it is gone, and knows that it could reach nobody: `interrupt`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from .database import Database
from .translated import translated

ONE_AT_A_TIME = 0x7265_7372  # an advisory lock; any number that nobody else in this database uses

_COLUMNS = (
    "key, tenant, spec_hash, backend, place, owner, state, intended_at, started_at, ended_at, result, "
    "seen_at > now() - $1::interval AS alive"
)

INTEND = """
INSERT INTO resprout.sandbox_runs (key, tenant, spec_hash, backend, place, owner, reaches_out, time_limit)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (key) DO NOTHING RETURNING key
"""

FIND = f"SELECT {_COLUMNS} FROM resprout.sandbox_runs WHERE key = $2"

# Whoever looks at a run and acts on what he saw may be late: its owner may have woken up meanwhile, and started it. So
# the row must still be as it was seen, and its owner still be silent, unless that is who asks.
_AS_SEEN = "key = $1 AND owner = $2 AND state = $3 AND (owner = $4 OR seen_at <= now() - $5::interval)"

# Of two who find the same dead owner, one gets it.
TAKE_OVER = f"""
UPDATE resprout.sandbox_runs SET owner = $4, seen_at = now()
WHERE {_AS_SEEN} AND state IN ('intended', 'started') RETURNING key
"""

# Out of the state in which its owner got it: what has begun must not begin again, what has not must not have.
START = """
UPDATE resprout.sandbox_runs SET state = 'started', started_at = coalesce(started_at, now()), seen_at = now()
WHERE key = $1 AND owner = $2 AND state = CASE WHEN $3 THEN 'started' ELSE 'intended' END RETURNING key
"""

SEEN = """
UPDATE resprout.sandbox_runs SET seen_at = now()
WHERE key = ANY ($1::text[]) AND owner = $2 AND state IN ('intended', 'started')
"""

# Two who came back to the same run say the same; the first is kept.
END = """
UPDATE resprout.sandbox_runs SET state = 'ended', ended_at = now(), result = $2::json
WHERE key = $1 AND state <> 'ended' RETURNING key
"""

DOUBT = f"""
UPDATE resprout.sandbox_runs SET state = 'in-doubt', ended_at = now()
WHERE {_AS_SEEN} AND state = 'started' RETURNING key
"""

WITHDRAW = """
DELETE FROM resprout.sandbox_runs WHERE key = $1 AND owner = $2 AND (state = 'intended' OR state = 'started' AND $3)
"""

UNDER_WAY = f"SELECT {_COLUMNS} FROM resprout.sandbox_runs WHERE state IN ('intended', 'started')"

# To nobody's: whoever wants it next does not wait for a sign of life first.
INTERRUPT = """
UPDATE resprout.sandbox_runs SET
    state = CASE WHEN state = 'started' AND reaches_out THEN 'in-doubt' ELSE 'intended' END,
    started_at = CASE WHEN reaches_out THEN started_at END,
    ended_at = CASE WHEN state = 'started' AND reaches_out THEN now() END,
    seen_at = '-infinity'
WHERE key = $1 AND owner = $2 AND state IN ('intended', 'started') RETURNING key
"""

# Old, and long past the last moment at which its step could have been tried again. One process at a time, as in
# retention.py; whoever interrupted a run has put its sign of life before all time, so that is not looked at alone.
FORGET = f"""
WITH alone AS MATERIALIZED (SELECT pg_try_advisory_xact_lock({ONE_AT_A_TIME}) AS ours),
gone AS (
    DELETE FROM resprout.sandbox_runs WHERE ctid = ANY (ARRAY(
        SELECT r.ctid FROM resprout.sandbox_runs r
        WHERE (SELECT ours FROM alone) AND r.intended_at < now() - $1::interval
          AND greatest(r.intended_at, r.seen_at, r.ended_at) < now() - $1::interval - r.time_limit
        ORDER BY r.intended_at LIMIT $2))
    RETURNING 1
)
SELECT count(*) FROM gone
"""

UNFINISHED = "SELECT key FROM resprout.sandbox_runs WHERE state IN ('intended', 'started')"


@dataclass(frozen=True)
class Intent:
    key: str
    tenant: str
    spec_hash: bytes
    backend: str
    place: str
    owner: UUID
    reaches_out: bool
    time_limit: timedelta


@dataclass(frozen=True)
class SandboxRun:
    key: str
    tenant: str
    spec_hash: bytes
    backend: str
    place: str
    owner: UUID
    state: str
    intended_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    result: str | None  # JSON
    alive: bool  # its owner was seen lately


@dataclass(frozen=True)
class SandboxRuns:
    open: Callable[[], Awaitable[Database]]  # a pool, the first time and again
    lease: timedelta = timedelta(seconds=10)  # an owner that is silent for so long is gone

    async def intend(self, intent: Intent) -> bool:
        """False: there is a record of this key already."""
        return await self._hit(INTEND, *astuple(intent))

    async def find(self, key: str) -> SandboxRun | None:
        with translated():
            row = await (await self.open()).pool.fetchrow(FIND, self.lease, key)
        return SandboxRun(**row) if row is not None else None

    async def unfinished(self) -> list[str]:
        """Keys that somebody may still come back to."""
        with translated():
            return [row["key"] for row in await (await self.open()).pool.fetch(UNFINISHED)]

    async def under_way(self) -> list[SandboxRun]:
        with translated():
            rows = await (await self.open()).pool.fetch(UNDER_WAY, self.lease)
        return [SandboxRun(**row) for row in rows]

    async def interrupt(self, run: SandboxRun) -> bool:
        """It was ended, and nothing of it is left: it will begin anew, or is in doubt if it could reach anybody."""
        return await self._hit(INTERRUPT, run.key, run.owner)

    async def take_over(self, run: SandboxRun, owner: UUID) -> bool:
        """False: it is not any more as it was seen."""
        return await self._hit(TAKE_OVER, run.key, run.owner, run.state, owner, self.lease)

    async def start(self, key: str, owner: UUID, *, has_begun: bool) -> bool:
        """False: it belongs to somebody else by now, and must not be started here."""
        return await self._hit(START, key, owner, has_begun)

    async def seen(self, keys: list[str], owner: UUID) -> None:
        with translated():
            await (await self.open()).pool.execute(SEEN, keys, owner)

    async def end(self, key: str, result: str) -> bool:
        return await self._hit(END, key, result)

    async def doubt(self, run: SandboxRun, owner: UUID) -> bool:
        """Said by `owner`. False: it is not any more as it was seen."""
        return await self._hit(DOUBT, run.key, run.owner, run.state, owner, self.lease)

    async def withdraw(self, key: str, owner: UUID, *, started: bool = False) -> None:
        """Its code was not run and will not be; `started`: although its start is on record."""
        with translated():
            await (await self.open()).pool.execute(WITHDRAW, key, owner, started)

    async def forget(self, older_than: timedelta, most: int) -> int:
        """How many went; 0 also while another process is at it."""
        with translated():
            gone: int = await (await self.open()).pool.fetchval(FORGET, older_than, most)
        return gone

    async def _hit(self, statement: str, *values: Any) -> bool:
        with translated():
            return await (await self.open()).pool.fetchval(statement, *values) is not None
