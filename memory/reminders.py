"""Reminders: which are due, and moving them on in the same transaction that tells of their ticks.

While the agent's mailbox is full its reminders stay where they are: what is then missed is up to each one's policy.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from opentelemetry import trace

from ..actors.address import AgentAddress
from ..actors.envelope import Envelope
from ..actors.reminders import Reminder
from ..actors.store import DueReminder, Fired, FireOutcome, Full, Held, Superseded
from .fence import FENCE, fence_of
from .translated import translated

tracer = trace.get_tracer("resprout.memory")

DUE = "SELECT * FROM resprout.reminders WHERE shard = ANY($1) AND due_at <= $2 ORDER BY due_at LIMIT $3"

NEXT = "SELECT min(due_at) FROM resprout.reminders WHERE shard = ANY($1) AND due_at > $2"

ROOM = """
room AS MATERIALIZED (
    SELECT count(*) < $9::bigint AND coalesce(sum(bytes), 0) < $10::bigint AS left_over
    FROM (SELECT bytes FROM resprout.mailbox WHERE kind = $4 AND key = $5 LIMIT $9::bigint) AS seen
)"""

# The reminder, as long as it is due as it was read, and there is room for what it tells.
THIS_ONE = """
    WHERE kind = $4 AND key = $5 AND name = $6 AND id = $7 AND due_at = $8 AND shard IN (SELECT id FROM fence)
          AND (SELECT left_over FROM room)
    RETURNING kind, key, shard"""

TOLD = """told AS (
    INSERT INTO resprout.mailbox (kind, key, shard, message_id, envelope, bytes, in_memory)
    SELECT moved.kind, moved.key, moved.shard, t.message_id, t.envelope::jsonb, t.bytes, false
    FROM moved, unnest($11::uuid[], $12::text[], $13::integer[]) AS t (message_id, envelope, bytes)
    ON CONFLICT DO NOTHING
)
SELECT EXISTS (SELECT FROM moved) AS moved, left_over FROM room
"""

FIRE = f"""
WITH {FENCE},
{ROOM},
moved AS (
    UPDATE resprout.reminders SET due_at = coalesce($14::timestamptz, due_at){THIS_ONE}
),
{TOLD}"""

END = f"""
WITH {FENCE},
{ROOM},
moved AS (
    DELETE FROM resprout.reminders{THIS_ONE}
),
{TOLD}"""


class Reminders:
    pool: "asyncpg.Pool[asyncpg.Record]"

    async def due(self, held: Sequence[Held], now: datetime, most: int) -> tuple[list[DueReminder], datetime | None]:
        by_id = {one.id: one for one in held}
        with translated(), tracer.start_as_current_span("sql.due_reminders"):
            rows = await self.pool.fetch(DUE, list(by_id), now, most)
            later: datetime | None = await self.pool.fetchval(NEXT, list(by_id), now)
        return [
            DueReminder(by_id[row["shard"]], AgentAddress(row["kind"], row["key"]), _reminder(row)) for row in rows
        ], later

    async def fire(
        self,
        host: UUID,
        due: DueReminder,
        ticks: Sequence[Envelope],
        next_due: datetime | None,
        bounds: tuple[int, int],
    ) -> FireOutcome:
        reminder = due.reminder
        which = (*fence_of([due.held]), host, *due.address, reminder.name, reminder.id, reminder.due, *bounds)
        mail = (
            [tick.id for tick in ticks],
            [tick.model_dump_json() for tick in ticks],
            [len(tick.body) for tick in ticks],
        )
        with translated(), tracer.start_as_current_span("sql.fire_reminder"):
            row: Any = await (
                self.pool.fetchrow(END, *which, *mail)
                if next_due is None
                else self.pool.fetchrow(FIRE, *which, *mail, next_due)
            )
        if not row["left_over"]:
            return Full(str(due.address))
        return Fired() if row["moved"] else Superseded()


def _reminder(row: "asyncpg.Record") -> Reminder:
    return Reminder(
        id=row["id"],
        name=row["name"],
        due=row["due_at"],
        every=row["every"],
        missed=row["missed"],
        type=row["type"],
        version=row["version"],
        body=row["body"],
        tenant=row["tenant"],
    )
