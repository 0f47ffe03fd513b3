"""Whose containers they are: of who shares a Postgres, and of nobody else."""

from pathlib import Path

import asyncpg
from resprout.memory.migrate import migrate
from resprout.runtime.installation import installation, noted
from resprout.runtime.lazy_database import LazyDatabase
from resprout.runtime.settings import Settings
from support.workspaces import settings_of


async def of(settings: Settings) -> str:
    database = LazyDatabase(settings.postgres, "a test", pool_size=1)
    try:
        return await installation(settings, database)
    finally:
        await database.close()


async def test_one_postgres_is_one_installation_by_whatever_name(dsn: str) -> None:
    assert await of(settings_of(dsn)) == await of(settings_of(f"{dsn}&application_name=another"))


async def test_two_that_are_called_the_same_are_two(dsn: str) -> None:
    first = await of(settings_of(dsn))
    connection = await asyncpg.connect(dsn)
    await connection.execute("DROP SCHEMA resprout CASCADE")
    await connection.close()
    await migrate(dsn)

    assert await of(settings_of(dsn)) != first


async def test_it_is_noted_for_when_postgres_is_down_and_for_this_postgres_only(dsn: str, tmp_path: Path) -> None:
    settings = settings_of(dsn).model_copy(update={"data_dir": tmp_path})
    assert noted(settings) is None

    found = await of(settings)

    assert noted(settings) == found
    assert noted(settings_of("postgresql://elsewhere/resprout").model_copy(update={"data_dir": tmp_path})) is None
