"""Databases for tests, in the Postgres of the test run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg


@asynccontextmanager
async def blank_database(postgres: str) -> AsyncIterator[str]:
    """DSN of a fresh, empty database."""
    name = f"test_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(postgres)
    await admin.execute(f"CREATE DATABASE {name}")
    try:
        yield postgres.replace("@/resprout?", f"@/{name}?")
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()
