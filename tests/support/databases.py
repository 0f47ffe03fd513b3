"""Databases for tests, in the Postgres of the test run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg


@asynccontextmanager
async def blank_database(postgres: str, *, template: str = "template1") -> AsyncIterator[str]:
    """DSN of a fresh database: empty, or a copy of another one, to which nobody may be connected."""
    name = f"test_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(postgres)
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")  # half the work of WAL_LOG
    try:
        yield postgres.replace("@/resprout?", f"@/{name}?")
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


def name_of(dsn: str) -> str:
    return urlsplit(dsn).path.removeprefix("/")
