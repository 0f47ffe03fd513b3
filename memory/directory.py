"""Where a caller begins: which hosts there are and who has what, without any of them being known yet."""

from datetime import timedelta

import asyncpg

from ..actors.errors import NotRunning
from ..actors.shards import HostSeen, Shard, View
from .database import connected, redacted

PATIENCE = timedelta(seconds=3)

HOSTS = """
SELECT id, name, pool, address, draining, lease_until > clock_timestamp() AS alive FROM resprout.hosts
"""

SHARDS = "SELECT id, pool, slot, epoch, host FROM resprout.shards ORDER BY id"

SECRET = "SELECT secret FROM resprout.cluster"


async def directory(dsn: str) -> tuple[str, View]:
    """The secret that hosts ask for, and the view. Raises in one sentence why there is none."""
    async with connected(dsn, PATIENCE) as connection:
        try:
            secret: str = await connection.fetchval(SECRET)
            hosts, shards = await connection.fetch(HOSTS), await connection.fetch(SHARDS)
        except asyncpg.UndefinedTableError:
            raise NotRunning(
                f"Postgres at {redacted(dsn)} has no tables of Resprout. Start a stack on it with `resprout up`, or "
                "say `resprout migrate`."
            ) from None
    return secret, View({row["id"]: HostSeen(**row) for row in hosts}, [Shard(**row) for row in shards], {})
