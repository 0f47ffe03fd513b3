from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from resprout.memory.database import Database
from resprout.memory.migrate import migrate
from support.desk import Desk, desk_of
from support.tool_calls import Hands
from support.tool_calls import hands as hands_in


@pytest.fixture
def hands(tmp_path: Path) -> Hands:
    """Hands whose workspace has a neighbour: what is outside."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("outside")
    (tmp_path / "workspace").mkdir()
    return hands_in(tmp_path / "workspace")


@pytest.fixture(scope="session")
async def desks(postgres: str) -> AsyncIterator[Database]:
    """The database of every desk: each has a tenant of its own."""
    admin = await asyncpg.connect(postgres)
    await admin.execute("CREATE DATABASE desks")
    dsn = postgres.replace("@/resprout?", "@/desks?")
    await migrate(dsn)
    try:
        async with await Database.open(dsn) as database:
            yield database
    finally:
        await admin.execute("DROP DATABASE desks WITH (FORCE)")
        await admin.close()


@pytest.fixture
def desk(desks: Database, tmp_path: Path) -> Desk:
    return desk_of(desks, tmp_path)
