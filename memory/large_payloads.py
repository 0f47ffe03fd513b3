"""What is too large for Temporal's history, kept by content. A key is the hash of what it stands for.

The invariant: `kept_at` is never older than a day before the last time somebody kept or read the payload, so that
what is removed by age is what nobody has used since.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from .database import Database
from .translated import translated

KEEP = """
INSERT INTO resprout.large_payloads (key, payload)
SELECT DISTINCT ON (key) key, payload FROM unnest($1::bytea[], $2::bytea[]) AS g (key, payload)
ON CONFLICT (key) DO UPDATE SET kept_at = now()
"""

# Not each time: a row that is written at every read would be rewritten for each replay of a run.
FETCH = """
WITH used AS (
    UPDATE resprout.large_payloads SET kept_at = now()
    WHERE key = ANY ($1::bytea[]) AND kept_at < now() - interval '1 day'
)
SELECT l.payload FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (key, n)
LEFT JOIN resprout.large_payloads l USING (key) ORDER BY asked.n
"""

# One that is kept or read at this moment is locked or no longer old: it stays.
REMOVE = """
WITH gone AS (
    DELETE FROM resprout.large_payloads WHERE key = ANY (ARRAY(
        SELECT key FROM resprout.large_payloads WHERE kept_at < $1 ORDER BY kept_at LIMIT $2 FOR UPDATE SKIP LOCKED))
    RETURNING 1
)
SELECT count(*) FROM gone
"""


async def keep(database: Database, payloads: Sequence[bytes]) -> list[bytes]:
    keys = [hashlib.sha256(payload).digest() for payload in payloads]
    with translated():
        await database.pool.execute(KEEP, keys, list(payloads))
    return keys


async def fetch(database: Database, keys: Sequence[bytes]) -> list[bytes | None]:
    with translated():
        return [row["payload"] for row in await database.pool.fetch(FETCH, list(keys))]


async def remove(database: Database, before: datetime, most: int) -> int:
    """How many went: those that nobody has used since, the oldest first."""
    with translated():
        gone: int = await database.pool.fetchval(REMOVE, before, most)
    return gone
