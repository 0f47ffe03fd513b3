"""Dead letters: messages that were given up, and their way back into the mailbox.

A letter that is replayed is the same message: it keeps its id, so that what was sent because of it is sent once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ..actors.address import AgentAddress
from ..actors.errors import NotFound, Rejected
from .database import Database
from .translated import translated

LIST = """
SELECT kind || '/' || key AS agent, message_id, envelope->>'type' AS type, envelope->>'sender' AS sender,
       envelope->>'body' AS body, attempts, error, accepted_at, buried_at
FROM resprout.dead_letters
WHERE ($1::text IS NULL OR kind = $1) AND ($2::text IS NULL OR key = $2)
ORDER BY buried_at DESC, message_id LIMIT $3
"""

ADDRESSEES = "SELECT kind, key FROM resprout.dead_letters WHERE message_id = $1 ORDER BY kind, key"

# Attempts begin at 0 again. A deadline has had its effect: who replays wants the message handled now.
REPLAY = """
WITH raised AS (
    DELETE FROM resprout.dead_letters
    WHERE kind = $1 AND key = $2 AND ($3::uuid IS NULL OR message_id = $3) RETURNING *
),
put AS (
    INSERT INTO resprout.mailbox (kind, key, shard, message_id, envelope, bytes, in_memory, attempts, accepted_at)
    SELECT kind, key, shard, message_id, envelope - 'deadline', length(envelope->>'body'), false, 0, accepted_at
    FROM raised ORDER BY accepted_at, message_id ON CONFLICT DO NOTHING
)
SELECT message_id FROM raised ORDER BY accepted_at, message_id
"""


@dataclass(frozen=True)
class DeadLetter:
    agent: str
    message_id: UUID
    type: str
    sender: str
    body: str  # JSON
    attempts: int
    error: str
    accepted_at: datetime
    buried_at: datetime


class DeadLetters:
    def __init__(self, database: Database) -> None:
        self.pool = database.pool

    async def list(self, kind: str | None = None, key: str | None = None, *, limit: int = 100) -> Sequence[DeadLetter]:
        """The last one given up first."""
        with translated():
            return [DeadLetter(**row) for row in await self.pool.fetch(LIST, kind, key, limit)]

    async def replay(self, message: UUID, agent: AgentAddress | None = None) -> AgentAddress:
        """Whose it is. Without `agent`, whoever's it is: a message to a topic may be dead with several."""
        address = agent or await self._addressee(message)
        if not await self._replay(address, message):
            raise _not_found(message, address)
        return address

    async def replay_all(self, agent: AgentAddress) -> Sequence[UUID]:
        return await self._replay(agent, None)

    async def _addressee(self, message: UUID) -> AgentAddress:
        with translated():
            found = [AgentAddress(*row) for row in await self.pool.fetch(ADDRESSEES, message)]
        if not found:
            raise _not_found(message)
        if len(found) > 1:
            raise Rejected(
                f"message {message} is among the dead letters of {len(found)} agents: "
                f"{', '.join(map(str, found[:10]))}. Name one with --agent."
            )
        return found[0]

    async def _replay(self, agent: AgentAddress, message: UUID | None) -> Sequence[UUID]:
        with translated():
            rows: Any = await self.pool.fetch(REPLAY, *agent, message)
        return [row["message_id"] for row in rows]


def _not_found(message: UUID, agent: AgentAddress | None = None) -> NotFound:
    whose = f" of {agent}" if agent is not None else ""
    return NotFound(
        f"there is no dead letter {message}{whose}: it may have been replayed. "
        "`resprout agent dead-letters` lists them."
    )
