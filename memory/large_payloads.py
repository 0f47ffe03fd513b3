"""What is too large for Temporal's history, kept by content. A key is the hash of what it stands for."""

import hashlib
from collections.abc import Sequence

from .database import Database
from .translated import translated

KEEP = """
INSERT INTO resprout.large_payloads (key, payload)
SELECT DISTINCT ON (key) key, payload FROM unnest($1::bytea[], $2::bytea[]) AS g (key, payload)
ON CONFLICT (key) DO UPDATE SET kept_at = now()
"""

FETCH = """
SELECT l.payload FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (key, n)
LEFT JOIN resprout.large_payloads l USING (key) ORDER BY asked.n
"""


async def keep(database: Database, payloads: Sequence[bytes]) -> list[bytes]:
    keys = [hashlib.sha256(payload).digest() for payload in payloads]
    with translated():
        await database.pool.execute(KEEP, keys, list(payloads))
    return keys


async def fetch(database: Database, keys: Sequence[bytes]) -> list[bytes | None]:
    with translated():
        return [row["payload"] for row in await database.pool.fetch(FETCH, list(keys))]
