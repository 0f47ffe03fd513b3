"""Mailboxes: messages that were accepted, on their way to a turn or to the dead letters."""

from collections.abc import Container, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
from opentelemetry import trace
from pydantic import ValidationError

from ..actors.address import AgentAddress
from ..actors.envelope import Envelope
from ..actors.errors import IdTaken
from ..actors.marks import digest_of, refuse_another
from ..actors.store import AcceptOutcome, Arrival, Arrived, Beginning, Collected, Fenced, Full, Held, Unreadable
from .fence import FENCE, claims_of, fence_of
from .rooms import without_room
from .translated import translated

tracer = trace.get_tracer("resprout.memory")

# A message that may have been here before is not put again after it was handled or buried.
ACCEPT = f"""
WITH {FENCE},
arriving AS MATERIALIZED (
    SELECT a.*, fence.id AS shard
    FROM unnest($4::text[], $5::text[], $6::integer[], $7::uuid[], $8::text[], $9::integer[], $10::boolean[],
                $11::boolean[])
         WITH ORDINALITY AS a (kind, key, claim, message_id, envelope, bytes, in_memory, again, n)
    JOIN fence USING (claim)
),
put AS (
    INSERT INTO resprout.mailbox (kind, key, shard, message_id, envelope, bytes, in_memory)
    SELECT kind, key, shard, message_id, envelope::jsonb, bytes, in_memory FROM arriving a
    WHERE NOT again OR (
        NOT EXISTS (SELECT FROM resprout.handled h
                    WHERE h.kind = a.kind AND h.key = a.key AND h.message_id = a.message_id)
        AND NOT EXISTS (SELECT FROM resprout.dead_letters d
                        WHERE d.kind = a.kind AND d.key = a.key AND d.message_id = a.message_id))
    ORDER BY n ON CONFLICT DO NOTHING RETURNING kind, key, message_id
)
SELECT ARRAY(SELECT a.n FROM arriving a JOIN put USING (kind, key, message_id)) AS put,
       ARRAY(SELECT n FROM arriving) AS arriving
"""

# Of messages that may have been here before, what came under their ids then.
EARLIER = """
SELECT a.n, h.type, h.digest, w.envelope->>'type' AS waiting, w.envelope->>'body' AS body,
       coalesce((w.envelope->>'version')::integer, 1) AS version
FROM unnest($1::text[], $2::text[], $3::uuid[]) WITH ORDINALITY AS a (kind, key, message_id, n)
LEFT JOIN resprout.handled h USING (kind, key, message_id)
LEFT JOIN LATERAL (
    SELECT envelope FROM resprout.mailbox b
    WHERE b.kind = a.kind AND b.key = a.key AND b.message_id = a.message_id
    UNION ALL
    SELECT envelope FROM resprout.dead_letters d
    WHERE d.kind = a.kind AND d.key = a.key AND d.message_id = a.message_id
    LIMIT 1
) AS w ON true
WHERE h.message_id IS NOT NULL OR w.envelope IS NOT NULL
"""

COLLECT_NEXT = """,
taken AS (
    UPDATE resprout.mailbox b SET in_memory = true FROM next
    WHERE b.kind = next.kind AND b.key = next.key AND b.message_id = next.message_id
    RETURNING b.seq, b.shard, b.kind, b.key, b.message_id, b.envelope, b.attempts, b.suspect, b.due_at
)
SELECT taken.*, fence.epoch FROM taken JOIN fence ON fence.id = taken.shard ORDER BY seq
"""

# What is told to them waits in the store alone; a release makes it collectable.
NOT_QUARANTINED = "NOT EXISTS (SELECT FROM resprout.quarantined q WHERE q.kind = m.kind AND q.key = m.key)"

COLLECT = f"""
WITH {FENCE},
next AS (
    SELECT m.seq, m.kind, m.key, m.message_id FROM resprout.mailbox m
    WHERE m.shard IN (SELECT id FROM fence) AND NOT m.in_memory AND {NOT_QUARANTINED}
      AND NOT EXISTS (SELECT FROM unnest($5::text[], $6::text[]) AS but (kind, key)
                      WHERE but.kind = m.kind AND but.key = m.key)
    ORDER BY m.seq LIMIT $4
)
{COLLECT_NEXT}"""

COLLECT_OF = f"""
WITH {FENCE},
next AS (
    SELECT m.seq, kind, key, m.message_id
    FROM unnest($5::text[], $6::text[]) AS asked (kind, key) JOIN resprout.mailbox m USING (kind, key)
    WHERE m.shard IN (SELECT id FROM fence) AND NOT m.in_memory AND {NOT_QUARANTINED} ORDER BY m.seq LIMIT $4
)
{COLLECT_NEXT}"""

BEGIN = f"""
WITH {FENCE},
began AS (
    UPDATE resprout.mailbox b SET began_at = now()
    FROM unnest($4::text[], $5::text[], $6::integer[], $7::uuid[]) AS t (kind, key, claim, message_id)
    JOIN fence USING (claim)
    WHERE b.kind = t.kind AND b.key = t.key AND b.message_id = t.message_id
)
SELECT claim FROM fence
"""

POSTPONE = f"""
WITH {FENCE},
postponed AS (
    UPDATE resprout.mailbox SET attempts = $7::integer, error = $8::text, due_at = now() + $9::interval, began_at = NULL
    WHERE kind = $4 AND key = $5 AND message_id = $6 AND shard IN (SELECT id FROM fence)
)
SELECT count(*) FROM fence
"""

BURY = f"""
WITH {FENCE},
gone AS (
    DELETE FROM resprout.mailbox
    WHERE kind = $4 AND key = $5 AND message_id = $6 AND shard IN (SELECT id FROM fence) RETURNING *
),
buried AS (
    INSERT INTO resprout.dead_letters (kind, key, message_id, shard, envelope, attempts, error, accepted_at)
    SELECT kind, key, message_id, shard, envelope, $7::integer, $8::text, accepted_at FROM gone ON CONFLICT DO NOTHING
),
aside AS (
    INSERT INTO resprout.quarantined (kind, key, reason) SELECT kind, key, $8::text FROM gone WHERE $9::boolean
    ON CONFLICT DO NOTHING
),
told AS (
    INSERT INTO resprout.mailbox (kind, key, shard, message_id, envelope, bytes, in_memory)
    SELECT t.kind, t.key, t.shard, t.message_id, t.envelope::jsonb, t.bytes, false
    FROM unnest($10::text[], $11::text[], $12::integer[], $13::uuid[], $14::text[], $15::integer[])
         AS t (kind, key, shard, message_id, envelope, bytes)
    WHERE EXISTS (SELECT FROM gone) ON CONFLICT DO NOTHING
)
SELECT count(*) FROM fence
"""


class Mailboxes:
    pool: "asyncpg.Pool[asyncpg.Record]"

    async def accept(self, host: UUID, arrivals: Sequence[Arrival]) -> list[AcceptOutcome]:
        with translated(), tracer.start_as_current_span("sql.accept", attributes={"messages": len(arrivals)}):
            async with self.pool.acquire() as connection:
                checked = [(a.address, a.bounds) for a in arrivals if a.bounds is not None]
                full = await without_room(connection, checked) if checked else {}
                outcomes: dict[int, AcceptOutcome] = {
                    n: Full(str(a.address), full[a.address, a.bounds])
                    for n, a in enumerate(arrivals)
                    if a.bounds is not None and (a.address, a.bounds) in full
                }
                outcomes |= await self._put(connection, host, arrivals, outcomes)
                if again := [n for n, a in enumerate(arrivals) if _may_have_been_here(a, outcomes[n])]:
                    outcomes |= await self._met(connection, arrivals, again)
        return [outcomes[n] for n in range(len(arrivals))]

    async def _put(
        self, connection: Any, host: UUID, arrivals: Sequence[Arrival], but: Container[int]
    ) -> dict[int, AcceptOutcome]:
        # The same message may have come twice at a time; one statement cannot write it twice.
        fitting = {_place(a): n for n, a in enumerate(arrivals) if n not in but}
        new = [arrivals[n] for n in fitting.values()]
        row: Any = await connection.fetchrow(
            ACCEPT,
            *fence_of(a.held for a in new),
            host,
            [a.address.kind for a in new],
            [a.address.key for a in new],
            claims_of([a.held for a in new]),
            [a.envelope.id for a in new],
            [a.envelope.model_dump_json() for a in new],
            [len(a.envelope.body) for a in new],
            [a.in_memory for a in new],
            [a.envelope.attempt > 1 for a in new],
        )
        places = {place: number for number, place in enumerate(fitting, 1)}
        put, within_fence = set(row["put"]), set(row["arriving"])

        def outcome(n: int, arrival: Arrival) -> AcceptOutcome:
            place = _place(arrival)
            if places[place] not in within_fence:
                return Fenced()
            return Arrived(new=places[place] in put and fitting[place] == n)

        return {n: outcome(n, a) for n, a in enumerate(arrivals) if n not in but}

    async def _met(
        self, connection: Any, arrivals: Sequence[Arrival], again: Sequence[int]
    ) -> dict[int, Arrived | IdTaken]:
        """What becomes of those under whose ids something came before."""
        rows = await connection.fetch(
            EARLIER,
            [arrivals[n].address.kind for n in again],
            [arrivals[n].address.key for n in again],
            [arrivals[n].envelope.id for n in again],
        )
        return {again[row["n"] - 1]: _compared(arrivals[again[row["n"] - 1]].envelope, row) for row in rows}

    async def collect(
        self,
        host: UUID,
        held: Sequence[Held],
        most: int,
        only: Sequence[AgentAddress] | None = None,
        but: Sequence[AgentAddress] = (),
    ) -> list[Collected | Unreadable]:
        statement, named = (COLLECT, but) if only is None else (COLLECT_OF, only)
        kinds, keys = [a.kind for a in named], [a.key for a in named]
        with translated(), tracer.start_as_current_span("sql.collect"):
            rows = await self.pool.fetch(statement, *fence_of(held), host, most, kinds, keys)
        return [_read(row) for row in rows]

    async def begin(self, host: UUID, turns: Sequence[Beginning]) -> list[bool]:
        claims = claims_of([turn.held for turn in turns])
        with translated(), tracer.start_as_current_span("sql.begin"):
            rows = await self.pool.fetch(
                BEGIN,
                *fence_of(turn.held for turn in turns),
                host,
                [turn.address.kind for turn in turns],
                [turn.address.key for turn in turns],
                claims,
                [turn.message for turn in turns],
            )
        within_fence = {row["claim"] for row in rows}
        return [claim in within_fence for claim in claims]

    async def postpone(
        self,
        host: UUID,
        held: Held,
        address: AgentAddress,
        message: UUID,
        attempts: int,
        error: str,
        pause: timedelta,
    ) -> bool:
        with translated(), tracer.start_as_current_span("sql.postpone"):
            fence: int = await self.pool.fetchval(
                POSTPONE, *fence_of([held]), host, *address, message, attempts, error, pause
            )
        return fence == 1

    async def bury(
        self,
        host: UUID,
        held: Held,
        address: AgentAddress,
        message: UUID,
        attempts: int,
        error: str,
        *,
        quarantine: bool,
        tell: tuple[int, AgentAddress, Envelope] | None,
    ) -> bool:
        letters = [tell] if tell is not None else []
        with translated(), tracer.start_as_current_span("sql.bury"):
            fence: int = await self.pool.fetchval(
                BURY,
                *fence_of([held]),
                host,
                *address,
                message,
                attempts,
                error,
                quarantine,
                [to.kind for _, to, _ in letters],
                [to.key for _, to, _ in letters],
                [shard for shard, _, _ in letters],
                [envelope.id for _, _, envelope in letters],
                [envelope.model_dump_json() for _, _, envelope in letters],
                [len(envelope.body) for _, _, envelope in letters],
            )
        return fence == 1


def _read(row: Any) -> Collected | Unreadable:
    held, address = Held(row["shard"], row["epoch"]), AgentAddress(row["kind"], row["key"])
    try:
        envelope = Envelope.model_validate_json(row["envelope"])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return Unreadable(
            held,
            address,
            row["message_id"],
            row["attempts"],
            f"`{where}` of the envelope cannot be read: {first['msg']}. Mend the row, or drop the letter.",
        )
    return Collected(held, envelope, address, row["attempts"], row["suspect"], row["due_at"])


def _may_have_been_here(arrival: Arrival, outcome: AcceptOutcome) -> bool:
    return outcome == Arrived(new=False) or (isinstance(outcome, Full) and arrival.envelope.attempt > 1)


def _compared(envelope: Envelope, row: Any) -> Arrived | IdTaken:
    """With what came before: it was handled, or waits, or is among the dead letters."""
    try:
        refuse_another(envelope, row["type"], row["digest"])
        if row["body"] is not None:
            refuse_another(envelope, row["waiting"], digest_of(row["version"], row["body"]))
    except IdTaken as error:
        return error
    return Arrived(new=False)


def _place(arrival: Arrival) -> tuple[Held, AgentAddress, UUID]:
    return arrival.held, arrival.address, arrival.envelope.id
