"""Looking at agents: which there are, in what state, and what they handled. Reads only."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from .database import Database

# In the order of their addresses, so that a page can begin after the last one of the page before.
LIST = """
SELECT kind, key, version, updated_at FROM resprout.agents
WHERE ($1::text IS NULL OR kind = $1) AND (kind, key) > ($2, $3) ORDER BY kind, key LIMIT $4
"""

SHOW = "SELECT kind, key, version, updated_at, state FROM resprout.agents WHERE kind = $1 AND key = $2"

CONDITION = """
SELECT (SELECT count(*) FROM resprout.mailbox WHERE kind = $1 AND key = $2) AS waiting,
       (SELECT count(*) FROM resprout.dead_letters WHERE kind = $1 AND key = $2) AS dead_letters,
       (SELECT reason FROM resprout.quarantined WHERE kind = $1 AND key = $2) AS quarantined
"""

HISTORY = """
SELECT turn, message_id, type, sender, reply_type, reply, handled_at FROM resprout.handled
WHERE kind = $1 AND key = $2 ORDER BY turn DESC NULLS LAST, handled_at DESC, message_id LIMIT $3
"""

MAILBOX = """
SELECT seq, message_id, envelope, attempts, error, due_at, accepted_at FROM resprout.mailbox
WHERE kind = $1 AND key = $2 ORDER BY seq LIMIT $3
"""


@dataclass(frozen=True)
class AgentRow:
    kind: str
    key: str
    turns: int
    updated_at: datetime
    state: dict[str, Any] | None = None


@dataclass(frozen=True)
class Condition:
    waiting: int
    dead_letters: int
    quarantined: str | None


@dataclass(frozen=True)
class WaitingRow:
    message_id: UUID
    type: str
    sender: str
    priority: str
    attempts: int
    error: str | None
    due_at: datetime | None
    accepted_at: datetime


@dataclass(frozen=True)
class HandledRow:
    turn: int | None
    message_id: UUID
    type: str | None
    sender: str | None
    reply_type: str | None
    reply: dict[str, Any] | None
    handled_at: datetime


class AgentRows:
    def __init__(self, database: Database) -> None:
        self.pool = database.pool

    async def list(
        self, kind: str | None, *, after: tuple[str, str] = ("", ""), limit: int = 100
    ) -> Sequence[AgentRow]:
        rows = await self.pool.fetch(LIST, kind, *after, limit)
        return [AgentRow(row["kind"], row["key"], row["version"], row["updated_at"]) for row in rows]

    async def show(self, kind: str, key: str) -> AgentRow | None:
        row = await self.pool.fetchrow(SHOW, kind, key)
        return AgentRow(kind, key, row["version"], row["updated_at"], json.loads(row["state"])) if row else None

    async def condition(self, kind: str, key: str) -> Condition:
        row = await self.pool.fetchrow(CONDITION, kind, key)
        assert row is not None
        return Condition(**row)

    async def mailbox(self, kind: str, key: str, *, limit: int = 50) -> Sequence[WaitingRow]:
        """What was accepted and is not handled yet, the oldest first."""
        found = []
        for row in await self.pool.fetch(MAILBOX, kind, key, limit):
            envelope = json.loads(row["envelope"])
            found.append(
                WaitingRow(
                    row["message_id"],
                    envelope["type"],
                    envelope["sender"],
                    envelope["priority"],
                    row["attempts"],
                    row["error"],
                    row["due_at"],
                    row["accepted_at"],
                )
            )
        return found

    async def history(self, kind: str, key: str, *, limit: int = 50) -> Sequence[HandledRow]:
        rows = await self.pool.fetch(HISTORY, kind, key, limit)
        return [
            HandledRow(
                row["turn"],
                row["message_id"],
                row["type"],
                row["sender"],
                row["reply_type"],
                json.loads(row["reply"]) if row["reply"] else None,
                row["handled_at"],
            )
            for row in rows
        ]
