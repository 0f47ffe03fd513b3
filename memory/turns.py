"""Agents' state and the marks of what they handled: one turn is one commit.

The invariant: a message moves its agent from version n to n+1 together with its mark and its reply, or not at
all. A turn computed on an old version is superseded and leaves nothing, not even its mark.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from opentelemetry import trace

from ..actors.errors import BadMessage, DatabaseLost
from .database import Database, one_line

tracer = trace.get_tracer("resprout.memory")

LOAD = "SELECT state, version FROM resprout.agents WHERE kind = $1 AND key = $2"

REPLY_OF = "SELECT reply_type, reply FROM resprout.handled WHERE kind = $1 AND key = $2 AND message_id = $3"

# Waits for a rival that is inserting the same mark, then inserts nothing if the rival committed.
MARK = """
INSERT INTO resprout.handled (kind, key, message_id, reply_type, reply) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
"""

CREATE = """
INSERT INTO resprout.agents (kind, key, state, version) VALUES ($1, $2, $3, 1) ON CONFLICT DO NOTHING
"""

ADVANCE = """
UPDATE resprout.agents SET state = $3, version = version + 1, updated_at = now()
WHERE kind = $1 AND key = $2 AND version = $4
"""


@dataclass(frozen=True)
class Snapshot:
    state: dict[str, Any]
    version: int


@dataclass(frozen=True)
class Reply:
    type: str | None
    body: dict[str, Any] | None


@dataclass(frozen=True)
class Turn:
    kind: str
    key: str
    message_id: UUID
    expected_version: int  # 0: the agent has never handled a message
    state: dict[str, Any]
    reply_type: str | None
    reply: dict[str, Any] | None


@dataclass(frozen=True)
class Committed:
    version: int


@dataclass(frozen=True)
class AlreadyHandled:
    reply: Reply


@dataclass(frozen=True)
class Superseded:
    """Another turn was committed since the state was read."""


@contextmanager
def _translated() -> Iterator[None]:
    """The driver's errors in the vocabulary that callers can act on."""
    try:
        yield
    except asyncpg.DataError as error:
        raise BadMessage(f"the state or the reply cannot be stored as JSON in Postgres: {one_line(error)}.") from None
    except (
        asyncpg.PostgresConnectionError,
        asyncpg.OperatorInterventionError,
        asyncpg.InterfaceError,
        OSError,
    ) as error:
        raise DatabaseLost(
            f"the connection to Postgres broke: {one_line(error)}. Ask again with the same id."
        ) from None


class Turns:
    def __init__(self, database: Database) -> None:
        self.pool = database.pool

    async def load(self, kind: str, key: str) -> Snapshot | None:
        with _translated(), tracer.start_as_current_span("sql.load_agent"):
            row = await self.pool.fetchrow(LOAD, kind, key)
            return Snapshot(json.loads(row["state"]), row["version"]) if row else None

    async def reply_of(self, kind: str, key: str, message_id: UUID) -> Reply | None:
        with _translated(), tracer.start_as_current_span("sql.reply_of"):
            row = await self.pool.fetchrow(REPLY_OF, kind, key, message_id)
            return Reply(row["reply_type"], json.loads(row["reply"]) if row["reply"] else None) if row else None

    async def commit(self, turn: Turn) -> Committed | AlreadyHandled | Superseded:
        with _translated(), tracer.start_as_current_span("sql.commit_turn"):
            async with self.pool.acquire() as connection:
                transaction = connection.transaction()
                await transaction.start()
                try:
                    refusal = await self._write(connection, turn)
                except BaseException:
                    await transaction.rollback()
                    raise
                if refusal is None:
                    await transaction.commit()
                    return Committed(turn.expected_version + 1)
                await transaction.rollback()
            if isinstance(refusal, AlreadyHandled):
                stored = await self.reply_of(turn.kind, turn.key, turn.message_id)
                assert stored is not None
                return AlreadyHandled(stored)
            return refusal

    async def _write(self, connection: Any, turn: Turn) -> AlreadyHandled | Superseded | None:
        reply = json.dumps(turn.reply) if turn.reply is not None else None
        marked = await connection.execute(MARK, turn.kind, turn.key, turn.message_id, turn.reply_type, reply)
        if not _wrote(marked):
            return AlreadyHandled(Reply(None, None))
        state = json.dumps(turn.state)
        if turn.expected_version == 0:
            moved = await connection.execute(CREATE, turn.kind, turn.key, state)
        else:
            moved = await connection.execute(ADVANCE, turn.kind, turn.key, state, turn.expected_version)
        return None if _wrote(moved) else Superseded()


def _wrote(command_tag: str) -> bool:
    return command_tag.endswith(" 1")
