"""Which sessions with servers of tools are open, as the workers that have them say.

The invariant: what a worker says replaces all that it said before, and is true for as long as it says it again: a
killed one's sessions are out of date after `FRESH`.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from .database import Database
from .translated import translated

FRESH = timedelta(seconds=30)

REPORT = """
WITH told AS (
    INSERT INTO resprout.tool_sessions (id, source, place, opened_at, calls, called_at, worker, seen_at)
    SELECT *, $7, now()
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::timestamptz[])
    ON CONFLICT (id) DO UPDATE SET calls = excluded.calls, called_at = excluded.called_at, seen_at = now()
)
DELETE FROM resprout.tool_sessions
WHERE id <> ALL ($1::uuid[]) AND (worker = $7 OR seen_at < now() - $8::interval)
"""

OPEN = """
SELECT id, source, place, opened_at, calls, called_at, worker FROM resprout.tool_sessions
WHERE seen_at > now() - $1::interval ORDER BY source, opened_at
"""


@dataclass(frozen=True)
class ToolSession:
    id: UUID
    source: str  # as in mcp:clock
    place: str  # the command or the host
    opened_at: datetime
    calls: int  # that were begun in it
    called_at: datetime | None
    worker: str = ""  # its process, as in 1234@host


@dataclass(frozen=True)
class ToolSessions:
    open: Callable[[], Awaitable[Database]]  # a pool, the first time and again

    @classmethod
    def of(cls, database: Database) -> "ToolSessions":
        """On a pool that is open already."""

        async def opened() -> Database:
            return database

        return cls(opened)

    async def report(self, worker: str, sessions: Sequence[ToolSession]) -> None:
        """All that the worker has."""
        words = ("id", "source", "place", "opened_at", "calls", "called_at")
        columns = ([getattr(one, word) for one in sessions] for word in words)
        with translated():
            await (await self.open()).pool.execute(REPORT, *columns, worker, FRESH)

    async def every(self) -> list[ToolSession]:
        with translated():
            rows = await (await self.open()).pool.fetch(OPEN, FRESH)
        return [ToolSession(**row) for row in rows]
