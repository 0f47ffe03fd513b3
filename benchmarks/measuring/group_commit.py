"""The floor under a durable turn: bare asyncpg writing the same rows, as many in a transaction, and nothing else."""

import asyncio
import time
from uuid import uuid4

import asyncpg

STATEMENT = """
WITH given AS (SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[]) AS g (key, id, state, reply)),
moved AS (
    UPDATE resprout.agents a SET state = g.state::jsonb, version = a.version + 1, updated_at = now()
    FROM given g WHERE a.kind = 'bare' AND a.key = g.key RETURNING a.key
)
INSERT INTO resprout.handled (kind, key, message_id, type, sender, reply_type, reply, turn)
SELECT 'bare', g.key, g.id, 'bench.increment', 'client', 'bench.total', g.reply::jsonb, 1
FROM given g JOIN moved USING (key)
"""


async def rate(dsn: str, *, agents: int, batch: int, connections: int, seconds: float) -> float:
    pool = await asyncpg.create_pool(dsn, min_size=connections, max_size=connections)
    async with pool:
        await pool.execute(
            "INSERT INTO resprout.agents (kind, key, state, version) SELECT 'bare', n::text, '{\"total\": 0}', 1 "
            "FROM generate_series(1, $1) AS n ON CONFLICT DO NOTHING",
            agents,
        )
        share = agents // connections
        ends = time.perf_counter() + seconds
        turns = 0

        async def one(lane: int) -> None:
            nonlocal turns
            first = lane * share
            place = 0
            while time.perf_counter() < ends:
                keys = [str(first + (place + n) % share + 1) for n in range(min(batch, share))]
                place += len(keys)
                await pool.execute(
                    STATEMENT, keys, [uuid4() for _ in keys], ['{"total": 1}'] * len(keys), ['{"total": 1}'] * len(keys)
                )
                turns += len(keys)

        began = time.perf_counter()
        await asyncio.gather(*(one(lane) for lane in range(connections)))
        return turns / (time.perf_counter() - began)
