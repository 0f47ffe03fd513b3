"""Looking at agents: which there are, in what state, what they handled and what waits for them; and releasing them.

Nothing here writes what a host writes: a release only takes away what kept the host from going on.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ..actors.address import AgentAddress
from .database import Database
from .translated import translated

# In the order of their addresses, so that a page can begin after the last one of the page before.
LIST = """
SELECT kind, key, version, updated_at FROM resprout.agents
WHERE ($1::text IS NULL OR kind = $1) AND (kind, key) > ($2, $3) ORDER BY kind, key LIMIT $4
"""

# One row always: an agent exists before its first message.
SHOW = """
SELECT coalesce(a.version, 0) AS version, a.state_version, a.updated_at, a.state,
       (SELECT count(*) FROM resprout.mailbox m WHERE m.kind = $1 AND m.key = $2) AS waiting,
       (SELECT count(*) FROM resprout.dead_letters d WHERE d.kind = $1 AND d.key = $2) AS dead_letters,
       (SELECT reason FROM resprout.quarantined q WHERE q.kind = $1 AND q.key = $2) AS quarantined
FROM (VALUES ($1::text, $2::text)) AS asked (kind, key) LEFT JOIN resprout.agents a USING (kind, key)
"""

HISTORY = """
SELECT message_id, type, sender, turn, reply_type, reply, handled_at FROM resprout.handled
WHERE kind = $1 AND key = $2 ORDER BY handled_at DESC, turn DESC, message_id LIMIT $3
"""

WAITING = """
SELECT message_id, envelope->>'type' AS type, envelope->>'sender' AS sender, envelope->>'priority' AS priority,
       attempts, error, due_at, accepted_at
FROM resprout.mailbox WHERE kind = $1 AND key = $2 ORDER BY seq LIMIT $3
"""

# Rows that are not in memory make the host look at the agent again; whoever asks it makes it look anyway.
RELEASE = """
WITH released AS (DELETE FROM resprout.quarantined WHERE kind = $1 AND key = $2 RETURNING reason),
looked_at AS (
    UPDATE resprout.mailbox SET in_memory = false WHERE kind = $1 AND key = $2 AND EXISTS (SELECT FROM released)
)
SELECT reason FROM released
"""


@dataclass(frozen=True)
class AgentRow:
    kind: str
    key: str
    turns: int
    updated_at: datetime


@dataclass(frozen=True)
class AgentShown:
    kind: str
    key: str
    turns: int
    updated_at: datetime | None  # None: no turn yet
    state: dict[str, Any] | None
    state_version: int | None
    waiting: int
    dead_letters: int
    quarantined: str | None


@dataclass(frozen=True)
class HandledRow:
    message_id: UUID
    type: str | None  # None in rows of the first version, which did not keep it
    sender: str | None
    turn: int | None
    reply_type: str | None
    reply: dict[str, Any] | None
    handled_at: datetime


@dataclass(frozen=True)
class WaitingRow:
    message_id: UUID
    type: str
    sender: str
    priority: str
    attempts: int
    error: str | None
    due_at: datetime | None  # not before then; None: as soon as it is its turn
    accepted_at: datetime


class AgentRows:
    def __init__(self, database: Database) -> None:
        self.pool = database.pool

    async def list(
        self, kind: str | None, *, after: tuple[str, str] = ("", ""), limit: int = 100
    ) -> Sequence[AgentRow]:
        with translated():
            rows = await self.pool.fetch(LIST, kind, *after, limit)
        return [AgentRow(row["kind"], row["key"], row["version"], row["updated_at"]) for row in rows]

    async def show(self, agent: AgentAddress) -> AgentShown | None:
        """None for an agent of which nothing is stored."""
        with translated():
            row: Any = await self.pool.fetchrow(SHOW, *agent)
        shown = AgentShown(
            *agent,
            row["version"],
            row["updated_at"],
            json.loads(row["state"]) if row["state"] else None,
            row["state_version"],
            row["waiting"],
            row["dead_letters"],
            row["quarantined"],
        )
        return shown if shown.turns or shown.waiting or shown.dead_letters or shown.quarantined else None

    async def history(self, agent: AgentAddress, *, limit: int = 50) -> Sequence[HandledRow]:
        with translated():
            rows = await self.pool.fetch(HISTORY, *agent, limit)
        return [HandledRow(**{**row, "reply": json.loads(row["reply"]) if row["reply"] else None}) for row in rows]

    async def mailbox(self, agent: AgentAddress, *, limit: int = 50) -> Sequence[WaitingRow]:
        """The oldest first; priorities decide which is next."""
        with translated():
            return [WaitingRow(**row) for row in await self.pool.fetch(WAITING, *agent, limit)]

    async def release(self, agent: AgentAddress) -> str | None:
        """Why the agent was in quarantine; None if it was not."""
        with translated():
            reason: str | None = await self.pool.fetchval(RELEASE, *agent)
        return reason
