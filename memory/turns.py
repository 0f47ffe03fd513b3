"""Turns: reading agents, and committing what their messages did.

One statement commits turns of many agents. For each agent all of it happens or nothing: its new state, the marks of
the messages that it handled with their replies, the end of their mailbox rows, the messages that it sent, its
reminders and topics. The parts hang together by `moved`: only for agents that are under an epoch that holds, and
were found at the expected version, is any row written.

A message that was handled before makes its mark collide, which fails the statement as a whole; the marks are then
looked up and the agents concerned are told. That is rare: hosts look before they work on a doubtful message.
"""

import json
from collections import deque
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
from opentelemetry import trace

from ..actors.address import AgentAddress
from ..actors.envelope import Envelope, Replied
from ..actors.errors import UnknownKind
from ..actors.kinds import agent_class, agent_classes
from ..actors.marks import Mark, digest_of
from ..actors.options import Bounds
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
from ..actors.turn import Published
from .fence import FENCE, claims_of, fence_of
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

COMMIT = f"""
WITH {FENCE},
advancing AS MATERIALIZED (
    SELECT a.*, fence.id AS shard
    FROM unnest($4::text[], $5::text[], $6::text::integer[], $7::text::bigint[], $8::text::integer[], $9::text[],
                $10::text::integer[])
         WITH ORDINALITY AS a (kind, key, claim, expected, turns, state, state_version, n)
    JOIN fence USING (claim)
),
created AS (
    INSERT INTO resprout.agents (kind, key, state, state_version, version)
    SELECT kind, key, state::jsonb, state_version, turns FROM advancing WHERE expected = 0
    ON CONFLICT DO NOTHING RETURNING kind, key
),
updated AS (
    UPDATE resprout.agents g
    SET state = a.state::jsonb, state_version = a.state_version, version = g.version + a.turns, updated_at = now()
    FROM advancing a WHERE g.kind = a.kind AND g.key = a.key AND g.version = a.expected
    RETURNING g.kind, g.key
),
moved AS MATERIALIZED (
    SELECT a.n, a.kind, a.key, a.shard, a.expected FROM advancing a
    JOIN (SELECT * FROM created UNION ALL SELECT * FROM updated) AS m USING (kind, key)
),
marked AS (
    INSERT INTO resprout.handled
        (kind, key, message_id, turn, type, sender, reply_type, reply_version, reply, digest)
    SELECT moved.kind, moved.key, h.message_id, moved.expected + h.turn, h.type, h.sender,
           h.reply_type, h.reply_version, h.reply::jsonb, h.digest
    FROM unnest($11::text::bigint[], $12::uuid[], $13::text::integer[], $14::text[], $15::text[],
                $16::text[], $17::text::integer[], $18::text[], $19::text::bigint[])
         AS h (n, message_id, turn, type, sender, reply_type, reply_version, reply, digest)
    JOIN moved USING (n)
),
taken_out AS (
    DELETE FROM resprout.mailbox b USING unnest($20::bigint[], $21::uuid[]) AS t (n, message_id) JOIN moved USING (n)
    WHERE b.kind = moved.kind AND b.key = moved.key AND b.message_id = t.message_id
)
"""

SENT = """,
sent AS (
    INSERT INTO resprout.mailbox (kind, key, shard, message_id, envelope, bytes, in_memory)
    SELECT s.kind, s.key, s.shard, s.message_id, s.envelope::jsonb, s.bytes, false
    FROM unnest($22::bigint[], $23::text[], $24::text[], $25::integer[], $26::uuid[], $27::text[], $28::integer[])
         WITH ORDINALITY AS s (n, kind, key, shard, message_id, envelope, bytes, place)
    JOIN moved USING (n) ORDER BY s.place
    ON CONFLICT DO NOTHING
)
"""

# What few turns do. Each array of the ones before stays as it is; these come behind them. What is published goes
# into the mailboxes with what is told, in one insert: a turn that does both to one agent has an order. A subscriber
# without room does not stop the publisher, who cannot know it: its copy goes to its dead letters.
RARE = """,
addressed AS MATERIALIZED (
    SELECT t.kind, t.key, t.shard, p.topic, p.message_id, p.bytes, p.after, p.nth,
           p.envelope::jsonb || jsonb_build_object('recipient', t.kind || '/' || t.key) AS envelope,
           count(*) OVER line AS up_to_here, sum(p.bytes) OVER line AS bytes_up_to_here,
           coalesce(b.most_rows, $53::bigint) AS most_rows, coalesce(b.most_bytes, $54::bigint) AS most_bytes
    FROM unnest($29::bigint[], $30::text[], $31::uuid[], $32::text[], $33::integer[], $34::integer[])
         WITH ORDINALITY AS p (n, topic, message_id, envelope, bytes, after, nth)
    JOIN moved USING (n) JOIN resprout.subscriptions t USING (topic)
    LEFT JOIN unnest($55::text[], $56::bigint[], $57::bigint[]) AS b (kind, most_rows, most_bytes) ON b.kind = t.kind
    WINDOW line AS (PARTITION BY t.kind, t.key ORDER BY p.nth)
),
fitted AS MATERIALIZED (
    SELECT addressed.*, box.waiting + up_to_here <= most_rows AND box.bytes + bytes_up_to_here <= most_bytes AS fits
    FROM addressed CROSS JOIN LATERAL (
        SELECT count(*) AS waiting, coalesce(sum(seen.bytes), 0) AS bytes
        FROM (SELECT m.bytes FROM resprout.mailbox m
              WHERE m.kind = addressed.kind AND m.key = addressed.key LIMIT most_rows) AS seen
    ) AS box
),
mail AS (
    SELECT s.kind, s.key, s.shard, s.message_id, s.envelope::jsonb, s.bytes, s.place, 0 AS behind, s.place AS nth
    FROM unnest($22::bigint[], $23::text[], $24::text[], $25::integer[], $26::uuid[], $27::text[], $28::integer[])
         WITH ORDINALITY AS s (n, kind, key, shard, message_id, envelope, bytes, place)
    JOIN moved USING (n)
    UNION ALL
    SELECT kind, key, shard, message_id, envelope, bytes, after, 1, nth FROM fitted WHERE fits
),
sent AS (
    INSERT INTO resprout.mailbox (kind, key, shard, message_id, envelope, bytes, in_memory)
    SELECT kind, key, shard, message_id, envelope, bytes, false FROM mail ORDER BY place, behind, nth
    ON CONFLICT DO NOTHING RETURNING shard
),
overflowed AS (
    INSERT INTO resprout.dead_letters (kind, key, message_id, shard, envelope, attempts, error, accepted_at)
    SELECT kind, key, message_id, shard, envelope, 0,
           'its mailbox was full when this was published to ' || topic || '; replay it when there is room', now()
    FROM fitted WHERE NOT fits ON CONFLICT DO NOTHING
),
reminded AS (
    INSERT INTO resprout.reminders (kind, key, shard, name, id, due_at, every, missed, type, version, body, tenant)
    SELECT moved.kind, moved.key, moved.shard, r.name, r.id, r.due_at, r.every, r.missed, r.type, r.version, r.body,
           r.tenant
    FROM unnest($35::bigint[], $36::text[], $37::uuid[], $38::timestamptz[], $39::interval[], $40::text[], $41::text[],
                $42::integer[], $43::text[], $44::text[])
         AS r (n, name, id, due_at, every, missed, type, version, body, tenant)
    JOIN moved USING (n)
    ON CONFLICT (kind, key, name) DO UPDATE SET
        id = excluded.id, due_at = excluded.due_at, every = excluded.every, missed = excluded.missed,
        type = excluded.type, version = excluded.version, body = excluded.body, tenant = excluded.tenant
),
cancelled AS (
    DELETE FROM resprout.reminders r USING unnest($45::bigint[], $46::text[]) AS c (n, name) JOIN moved USING (n)
    WHERE r.kind = moved.kind AND r.key = moved.key AND r.name = c.name
),
subscribed AS (
    INSERT INTO resprout.subscriptions (topic, kind, key, shard)
    SELECT s.topic, moved.kind, moved.key, moved.shard
    FROM unnest($47::bigint[], $48::text[]) AS s (n, topic) JOIN moved USING (n)
    ON CONFLICT DO NOTHING
),
unsubscribed AS (
    DELETE FROM resprout.subscriptions t USING unnest($49::bigint[], $50::text[]) AS u (n, topic) JOIN moved USING (n)
    WHERE t.kind = moved.kind AND t.key = moved.key AND t.topic = u.topic
),
described AS (
    INSERT INTO resprout.described_agents (kind, key, described)
    SELECT moved.kind, moved.key, d.described::jsonb
    FROM unnest($51::bigint[], $52::text[]) AS d (n, described) JOIN moved USING (n)
    ON CONFLICT (kind, key) DO UPDATE SET described = excluded.described
),
entered AS (
    INSERT INTO resprout.journal (kind, key, number, entry)
    SELECT moved.kind, moved.key, e.number, e.entry
    FROM unnest($58::bigint[], $59::bigint[], $60::text[]) AS e (n, number, entry) JOIN moved USING (n)
    ON CONFLICT (kind, key, number) DO UPDATE SET entry = excluded.entry
)
"""

OUTCOME = "SELECT ARRAY(SELECT n FROM moved) AS moved, ARRAY(SELECT n FROM advancing) AS advancing, "
PLAIN = f"{COMMIT} {SENT} {OUTCOME} ARRAY[]::integer[] AS woken"
RICH = f"{COMMIT} {RARE} {OUTCOME} ARRAY(SELECT shard FROM sent) AS woken"

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
        statement = PLAIN if rows.rare is None else RICH
        row = await connection.fetchrow(
            statement, *fence_of(a.held for a in advances), host, *rows.common, *(rows.rare or [])
        )
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


class Rows:
    """The arrays of one commit, column by column."""

    def __init__(self, advances: Sequence[Advance], shards: Shards) -> None:
        self.shards = shards
        self.woken: set[int] = set()
        agents: list[tuple[Any, ...]] = []
        marks: list[tuple[Any, ...]] = []
        out: list[tuple[Any, ...]] = []
        self._sent: list[tuple[Any, ...]] = []
        self._published: list[tuple[Any, ...]] = []
        self._reminders: list[tuple[Any, ...]] = []
        self._cancelled: list[tuple[Any, ...]] = []
        self._topics: dict[bool, list[tuple[Any, ...]]] = {True: [], False: []}
        self._described: list[tuple[Any, ...]] = []
        self._entries: list[tuple[Any, ...]] = []
        claims = claims_of([a.held for a in advances])
        for n, (a, claim) in enumerate(zip(advances, claims, strict=True), 1):
            agents.append((*a.address, claim, a.expected, len(a.handled), a.state, a.state_version))
            for turn, handled in enumerate(a.handled, 1):
                reply = handled.reply
                messages = [(handled.envelope, handled.stored), *handled.joined]
                for message, stored in messages:
                    digest = digest_of(message.version, message.body)
                    about = (n, message.id, turn, message.type, message.sender)
                    marks.append((*about, reply.type, reply.version, reply.body, digest))
                    if stored:
                        out.append((n, message.id))
            if any(handled.effects is not None for handled in a.handled):
                self._add_mail(n, a)
                self._add_rare(n, a)
        kinds, keys, claim_of, expected, turns, states, versions = _columns(agents, 7)
        places, ids, nth, types, senders, reply_types, reply_versions, replies, digests = _columns(marks, 9)
        self.common = [
            *(kinds, keys, _numbers(claim_of), _numbers(expected), _numbers(turns), states, _numbers(versions)),
            *(_numbers(places), ids, _numbers(nth), types, senders, reply_types, _numbers(reply_versions), replies),
            _numbers(digests),
            *(*_columns(out, 2), *_columns(self._sent, 7)),
        ]

    @property
    def rare(self) -> list[Any] | None:
        parts = (
            (self._published, 6),
            (self._reminders, 10),
            (self._cancelled, 2),
            (self._topics[True], 2),
            (self._topics[False], 2),
            (self._described, 2),
        )
        if not (self._entries or any(rows for rows, _ in parts)):
            return None
        columns = (column for rows, width in parts for column in _columns(rows, width))
        return [*columns, *_bounds_of_subscribers(), *_columns(self._entries, 3)]

    def _add_mail(self, n: int, advance: Advance) -> None:
        for handled in advance.handled:
            if (effects := handled.effects) is None:
                continue
            published = deque(effects.published)
            for told, envelope in enumerate(effects.sent):
                while published and published[0].after <= told:
                    self._publish(n, published.popleft())
                if not _options(envelope)[0]:
                    self._sent.append(self._mail(n, envelope))
            for one in published:
                self._publish(n, one)

    def _publish(self, n: int, one: Published) -> None:
        envelope = one.envelope
        self._published.append(
            (n, one.topic, envelope.id, envelope.model_dump_json(), len(envelope.body), len(self._sent))
        )

    def _mail(self, n: int, envelope: Envelope) -> tuple[Any, ...]:
        address = AgentAddress.parse(envelope.recipient)
        shard = self.shards.id_of(address)
        self.woken.add(shard)
        return (n, *address, shard, envelope.id, envelope.model_dump_json(), len(envelope.body))

    def _add_rare(self, n: int, advance: Advance) -> None:
        """Of what several turns of the batch change (a reminder, a topic, an entry), the last word counts."""
        reminders: dict[str, Any] = {}
        entries: dict[int, str] = {}
        topics: dict[str, bool] = {}
        described = None
        for handled in advance.handled:
            if (effects := handled.effects) is None:
                continue
            reminders.update(effects.reminders)
            topics.update(effects.topics)
            entries.update(effects.entries)
            described = effects.described or described
        for name, r in reminders.items():
            if r is None:
                self._cancelled.append((n, name))
            else:
                self._reminders.append((n, name, r.id, r.due, r.every, r.missed, r.type, r.version, r.body, r.tenant))
        for topic, wanted in topics.items():
            self._topics[wanted].append((n, topic))
        self._entries += [(n, number, entry) for number, entry in entries.items()]
        if described is not None:
            self._described.append((n, json.dumps(described)))


def _columns(rows: list[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def _numbers(column: list[int]) -> str:
    """As Postgres writes an array: the driver looks at each element of one, which costs a tenth of a turn."""
    return f"{{{str(column)[1:-1]}}}"


def _messages(advance: Advance) -> list[tuple[Envelope, bool]]:
    return [one for handled in advance.handled for one in ((handled.envelope, handled.stored), *handled.joined)]


def _sent(advance: Advance) -> list[Envelope]:
    """What goes into mailboxes here; ephemeral agents have none."""
    return [
        envelope
        for handled in advance.handled
        if handled.effects is not None
        for envelope in handled.effects.sent
        if not _options(envelope)[0]
    ]


def _bounds_of_subscribers() -> list[Any]:
    """Rows and bytes of kinds that say nothing, and of those that do."""
    usual = Bounds()
    own = [
        (kind.kind, kind.options.bounds.rows, kind.options.bounds.bytes)
        for kind in agent_classes()
        if kind.options.bounds != usual
    ]
    return [usual.rows, usual.bytes, *_columns(own, 3)]


def _bounds(envelope: Envelope) -> tuple[int, int]:
    bounds = _options(envelope)[1]
    return bounds.rows, bounds.bytes


def _options(envelope: Envelope) -> tuple[bool, Bounds]:
    """Whether the recipient is ephemeral, and its bounds. A kind that is not known here may be known elsewhere."""
    try:
        options = agent_class(AgentAddress.parse(envelope.recipient).kind).options
    except UnknownKind:
        return False, Bounds()
    return options.ephemeral, options.bounds
