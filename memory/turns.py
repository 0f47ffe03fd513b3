"""Turns: reading agents, and committing what their messages did.

One statement commits turns of many agents. For each agent all of it happens or nothing: its new state, the marks of
the messages that it handled with their replies, the end of their mailbox rows, the messages that it sent, its
reminders and topics.

A message that was handled before makes its mark collide, which fails the statement as a whole; the marks are then
looked up and the agents concerned are told. That is rare: hosts look before they work on a doubtful message.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
from opentelemetry import trace

from ..actors.address import AgentAddress
from ..actors.envelope import Envelope, Replied
from ..actors.marks import Mark
from ..actors.store import (
    Advance,
    CommitOutcome,
    Committed,
    Duplicate,
    Fenced,
    Full,
    Snapshot,
    Superseded,
)
from .commit_rows import Rows, options_of_recipient
from .fence import fence_of
from .rooms import Shards, without_room
from .translated import translated

tracer = trace.get_tracer("resprout.memory")

LOAD = """
SELECT a.state, a.state_version, coalesce(a.version, 0) AS version, q.reason AS quarantined
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (kind, key, n)
LEFT JOIN resprout.agents a USING (kind, key)
LEFT JOIN resprout.quarantined q USING (kind, key)
ORDER BY asked.n
"""

JOURNAL = """
SELECT entry FROM resprout.journal WHERE kind = $1 AND key = $2 AND number BETWEEN $3 AND $4 ORDER BY number
"""

MARKS = """
SELECT h.message_id, h.type, h.digest, h.reply_type, h.reply_version, h.reply
FROM unnest($1::text[], $2::text[], $3::uuid[]) WITH ORDINALITY AS asked (kind, key, message_id, n)
LEFT JOIN resprout.handled h USING (kind, key, message_id)
ORDER BY asked.n
"""

# Mailbox rows of messages that turn out to have been handled before.
SWEEP = """
DELETE FROM resprout.mailbox b USING unnest($1::text[], $2::text[], $3::uuid[]) AS h (kind, key, message_id)
WHERE b.kind = h.kind AND b.key = h.key AND b.message_id = h.message_id
"""


class Turns:
    pool: "asyncpg.Pool[asyncpg.Record]"
    shards: Shards

    async def load(self, agents: Sequence[AgentAddress]) -> list[Snapshot]:
        with translated(), tracer.start_as_current_span("sql.load_agents"):
            rows = await self.pool.fetch(LOAD, [a.kind for a in agents], [a.key for a in agents])
        return [Snapshot(row["state"], row["state_version"] or 1, row["version"], row["quarantined"]) for row in rows]

    async def journal(self, agent: AgentAddress, first: int, last: int) -> Sequence[str]:
        with translated(), tracer.start_as_current_span("sql.read_journal"):
            return [row["entry"] for row in await self.pool.fetch(JOURNAL, *agent, first, last)]

    async def marks(self, asked: Sequence[tuple[AgentAddress, UUID]]) -> list[Mark | None]:
        with translated(), tracer.start_as_current_span("sql.marks"):
            rows = await self.pool.fetch(
                MARKS, [a.kind for a, _ in asked], [a.key for a, _ in asked], [message for _, message in asked]
            )
            if handled := [one for one, row in zip(asked, rows, strict=True) if row["message_id"] is not None]:
                await self.pool.execute(
                    SWEEP,
                    [a.kind for a, _ in handled],
                    [a.key for a, _ in handled],
                    [message for _, message in handled],
                )
        return [_mark(row) if row["message_id"] is not None else None for row in rows]

    async def commit(self, host: UUID, advances: Sequence[Advance]) -> list[CommitOutcome]:
        outcomes: dict[int, CommitOutcome] = {}
        with (
            translated(),
            tracer.start_as_current_span("sql.commit_turns", attributes={"resprout.agents": len(advances)}),
        ):
            async with self.pool.acquire() as connection:
                outcomes.update(await self._refuse_full(connection, advances))
                left = [n for n in range(len(advances)) if n not in outcomes]
                while left:
                    try:
                        done = await self._write(connection, host, [advances[n] for n in left])
                    except asyncpg.UniqueViolationError:
                        repeated = await self._find_handled(connection, [advances[n] for n in left])
                        if not repeated:
                            raise
                        outcomes.update({left[place]: duplicate for place, duplicate in repeated.items()})
                        left = [n for n in left if n not in outcomes]
                        continue
                    outcomes.update(zip(left, done, strict=True))
                    break
        return [outcomes[n] for n in range(len(advances))]

    async def _refuse_full(self, connection: Any, advances: Sequence[Advance]) -> dict[int, CommitOutcome]:
        asked = {(AgentAddress.parse(envelope.recipient), _bounds(envelope)) for a in advances for envelope in _sent(a)}
        if not asked:
            return {}
        full = {str(address): bound for (address, _), bound in (await without_room(connection, asked)).items()}
        refused: dict[int, CommitOutcome] = {}
        for n, advance in enumerate(advances):
            recipient = next((e.recipient for e in _sent(advance) if e.recipient in full), None)
            if recipient is not None:
                refused[n] = Full(recipient, full[recipient])
        return refused

    async def _write(self, connection: Any, host: UUID, advances: Sequence[Advance]) -> list[CommitOutcome]:
        rows = Rows(advances, self.shards)
        statement, columns = rows.statement
        row = await connection.fetchrow(statement, *fence_of(a.held for a in advances), host, *columns)
        moved, within_fence = set(row["moved"]), set(row["advancing"])
        woken = frozenset(row["woken"]) | rows.woken
        return [
            Committed(woken) if n in moved else Superseded() if n in within_fence else Fenced()
            for n in range(1, len(advances) + 1)
        ]

    async def _find_handled(self, connection: Any, advances: Sequence[Advance]) -> dict[int, CommitOutcome]:
        asked = [(a.address, message) for a in advances for message, _ in _messages(a)]
        kinds, keys, ids = ([a.kind for a, _ in asked], [a.key for a, _ in asked], [e.id for _, e in asked])
        rows = await connection.fetch(MARKS, kinds, keys, ids)
        handled = {
            (address, row["message_id"]): _mark(row)
            for (address, _), row in zip(asked, rows, strict=True)
            if row["message_id"] is not None
        }
        await connection.execute(
            SWEEP, [a.kind for a, _ in handled], [a.key for a, _ in handled], [message for _, message in handled]
        )
        found: dict[int, CommitOutcome] = {}
        for n, advance in enumerate(advances):
            marks = {
                message.id: handled[advance.address, message.id]
                for message, _ in _messages(advance)
                if (advance.address, message.id) in handled
            }
            if marks:
                found[n] = Duplicate(marks)
        return found


def _mark(row: Any) -> Mark:
    reply = Replied(type=row["reply_type"], version=row["reply_version"], body=row["reply"])
    return Mark(reply, row["type"], row["digest"])


def _messages(advance: Advance) -> list[tuple[Envelope, bool]]:
    return [one for handled in advance.handled for one in ((handled.envelope, handled.stored), *handled.joined)]


def _sent(advance: Advance) -> list[Envelope]:
    """What goes into mailboxes here; ephemeral agents have none."""
    return [
        envelope
        for handled in advance.handled
        if handled.effects is not None
        for envelope in handled.effects.sent
        if not options_of_recipient(envelope)[0]
    ]


def _bounds(envelope: Envelope) -> tuple[int, int]:
    bounds = options_of_recipient(envelope)[1]
    return bounds.rows, bounds.bytes
