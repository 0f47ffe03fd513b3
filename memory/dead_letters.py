"""Dead letters: messages that were given up, kept until a person replays them; and agents that were set aside."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from .database import Database

LIST = """
SELECT kind, key, message_id, envelope, attempts, error, accepted_at, buried_at FROM resprout.dead_letters
WHERE ($1::text IS NULL OR kind = $1) AND ($2::text IS NULL OR key = $2) ORDER BY buried_at DESC LIMIT $3
"""

# With the same id: should the message have been handled after all, its mark is found and nothing happens twice.
REPLAY = """
WITH gone AS (
    DELETE FROM resprout.dead_letters
    WHERE ($1::text IS NULL OR kind = $1) AND ($2::text IS NULL OR key = $2) AND ($3::uuid IS NULL OR message_id = $3)
    RETURNING *
)
INSERT INTO resprout.mailbox (kind, key, shard, message_id, envelope, bytes, in_memory, accepted_at)
SELECT kind, key, shard, message_id, envelope - 'deadline', length(envelope->>'body'), false, accepted_at
FROM gone ORDER BY buried_at ON CONFLICT DO NOTHING
RETURNING kind, key, message_id
"""

RELEASE = """
WITH released AS (DELETE FROM resprout.quarantined WHERE kind = $1 AND key = $2 RETURNING reason),
looked_at AS (UPDATE resprout.mailbox SET in_memory = false WHERE kind = $1 AND key = $2)
SELECT reason FROM released
"""


@dataclass(frozen=True)
class DeadLetter:
    agent: str
    message_id: UUID
    type: str
    sender: str
    body: Any
    attempts: int
    error: str
    accepted_at: datetime
    buried_at: datetime


class DeadLetters:
    def __init__(self, database: Database) -> None:
        self.pool = database.pool

    async def list(self, kind: str | None = None, key: str | None = None, *, limit: int = 50) -> Sequence[DeadLetter]:
        rows = await self.pool.fetch(LIST, kind, key, limit)
        return [_letter(row) for row in rows]

    async def replay(
        self, kind: str | None = None, key: str | None = None, message: UUID | None = None
    ) -> Sequence[tuple[str, UUID]]:
        """Back into the mailbox; the hosts notice within a second. The agents and ids of those replayed."""
        rows = await self.pool.fetch(REPLAY, kind, key, message)
        return [(f"{row['kind']}/{row['key']}", row["message_id"]) for row in rows]

    async def release(self, kind: str, key: str) -> str | None:
        """Why the agent was set aside; None if it was not."""
        reason: str | None = await self.pool.fetchval(RELEASE, kind, key)
        return reason


def _letter(row: Any) -> DeadLetter:
    envelope = json.loads(row["envelope"])
    return DeadLetter(
        agent=f"{row['kind']}/{row['key']}",
        message_id=row["message_id"],
        type=envelope["type"],
        sender=envelope["sender"],
        body=json.loads(envelope["body"]),
        attempts=row["attempts"],
        error=row["error"],
        accepted_at=row["accepted_at"],
        buried_at=row["buried_at"],
    )
