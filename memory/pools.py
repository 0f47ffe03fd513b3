"""Pools of shards: one that all kinds share, and one for each kind that has hosts of its own.

A kind gets its pool with its first host, and loses it when its last host is gone and the code says that it shares
again. In the same transaction all that is stored for its agents goes over to the shards of the other pool, and every
hold on a shard ends, of all hosts: whoever holds one chose the shards of what it sends by the pools as they were.
Hosts see it with their next pulse and claim their shards anew.
"""

from datetime import timedelta
from typing import Any

import asyncpg

from ..actors.shards import SHARDS, SHARED
from .translated import translated

LOCK_CLASS = 0x7265_7370
CHANGING_POOLS = 0  # no host has this slot

# A host that comes and a pool that goes wait for each other.
ONE_AT_A_TIME = f"SELECT pg_advisory_xact_lock({LOCK_CLASS}, {CHANGING_POOLS})"

ADD_SHARDS = f"""
INSERT INTO resprout.shards (pool, slot) SELECT $1, slot FROM generate_series(0, {SHARDS - 1}) AS slot
ON CONFLICT DO NOTHING RETURNING id
"""

# In the order in which the fence locks them. Writes in flight end first, and what they wrote is seen below.
LOCK_SHARDS = "SELECT FROM resprout.shards ORDER BY id FOR UPDATE"

END_HOLDS = "UPDATE resprout.shards SET epoch = epoch + 1, host = NULL"

# Letters first: one that is replayed meanwhile is then found in the mailbox.
HOMES = ("dead_letters", "mailbox", "reminders", "subscriptions")

MOVE = """
UPDATE resprout.{table} AS moved SET shard = home.id
FROM resprout.shards home JOIN resprout.shards before USING (slot)
WHERE moved.kind = $1 AND moved.shard = before.id AND before.pool = $2 AND home.pool = $3
"""

MAY_GO = """
SELECT EXISTS (SELECT FROM resprout.shards WHERE pool = $1)
       AND NOT EXISTS (SELECT FROM resprout.hosts WHERE pool = $1 AND lease_until > clock_timestamp() - $2::interval)
"""

DROP_SHARDS = "DELETE FROM resprout.shards WHERE pool = $1"

# A killed host of a pool is started again meanwhile; one that drained has taken itself out of the list.
FORSAKEN_AFTER = timedelta(seconds=30)


class Pools:
    pool: "asyncpg.Pool[asyncpg.Record]"

    async def dissolve(self, pool: str) -> bool:
        with translated():
            async with self.pool.acquire() as connection, connection.transaction():
                await connection.execute(ONE_AT_A_TIME)
                may_go: bool = await connection.fetchval(MAY_GO, pool, FORSAKEN_AFTER)
                if may_go:
                    await _rehome(connection, pool, pool, SHARED)
                    await connection.execute(DROP_SHARDS, pool)
                return may_go


async def open_pool(connection: Any, pool: str) -> None:
    """In the transaction in which a host of the pool enrols."""
    await connection.execute(ONE_AT_A_TIME)
    await connection.execute(ADD_SHARDS, SHARED)
    if pool != SHARED and await connection.fetch(ADD_SHARDS, pool):
        await _rehome(connection, pool, SHARED, pool)


async def _rehome(connection: Any, kind: str, before: str, now: str) -> None:
    await connection.execute(LOCK_SHARDS)
    await connection.execute(END_HOLDS)
    for table in HOMES:
        await connection.execute(MOVE.format(table=table), kind, before, now)
