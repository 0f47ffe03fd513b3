"""One commit of the turns of many agents, as a statement.

The parts hang together by `moved`: only for agents that are under an epoch that holds, and were found at the expected
version, is any row written. Its parameters are the columns of `commit_rows`, in that order.
"""

from .fence import FENCE

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
)
"""


def _entered(behind: int) -> str:
    """Into journals, by the three parameters behind so many others."""
    return f""",
entered AS (
    INSERT INTO resprout.journal (kind, key, number, entry)
    SELECT moved.kind, moved.key, e.number, e.entry
    FROM unnest(${behind + 1}::bigint[], ${behind + 2}::bigint[], ${behind + 3}::text[]) AS e (n, number, entry)
    JOIN moved USING (n)
    ON CONFLICT (kind, key, number) DO UPDATE SET entry = excluded.entry
)
"""


OUTCOME = "SELECT ARRAY(SELECT n FROM moved) AS moved, ARRAY(SELECT n FROM advancing) AS advancing, "
PLAIN = f"{COMMIT} {SENT} {OUTCOME} ARRAY[]::integer[] AS woken"
WITH_ENTRIES = f"{COMMIT} {SENT} {_entered(behind=28)} {OUTCOME} ARRAY[]::integer[] AS woken"
WITH_ALL = f"{COMMIT} {RARE} {_entered(behind=57)} {OUTCOME} ARRAY(SELECT shard FROM sent) AS woken"
