import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from resprout.actors.errors import ConfigError
from resprout.memory.migrate import FOLDER, migrate, pending

NAMES = sorted(path.stem for path in FOLDER.glob("*.sql"))


@asynccontextmanager
async def watching(dsn: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def test_an_empty_database_gets_every_migration_once(blank_dsn: str) -> None:
    assert await pending(blank_dsn) == NAMES

    assert await migrate(blank_dsn) == NAMES

    assert await pending(blank_dsn) == []
    assert await migrate(blank_dsn) == []


async def test_migrators_at_once_do_the_work_once(blank_dsn: str) -> None:
    applied = await asyncio.gather(*(migrate(blank_dsn) for _ in range(4)))

    assert sorted(map(len, applied)) == [0, 0, 0, len(NAMES)]


MIGRATOR = """
import asyncio, pathlib, sys
from resprout.memory import migrate
migrate.FOLDER = pathlib.Path(sys.argv[2])
asyncio.run(migrate.migrate(sys.argv[1]))
"""


async def test_a_migrator_killed_inside_a_migration_leaves_no_lock_and_no_trace(blank_dsn: str, tmp_path: Path) -> None:
    (tmp_path / "0001_endless.sql").write_text("CREATE TABLE resprout.half (x int); SELECT pg_sleep(3600);")
    migrator = subprocess.Popen([sys.executable, "-c", MIGRATOR, blank_dsn, str(tmp_path)], cwd=tmp_path)
    try:
        async with watching(blank_dsn) as connection:
            while not await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
                assert migrator.poll() is None, "the migrator ended early"
                await asyncio.sleep(0.05)
            next_one = asyncio.create_task(migrate(blank_dsn))
            while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                assert not next_one.done(), "the lock does not keep migrators apart"
                await asyncio.sleep(0.05)

            migrator.kill()

            assert await asyncio.wait_for(next_one, 30) == NAMES
            assert await connection.fetchval("SELECT to_regclass('resprout.half')") is None
    finally:
        migrator.kill()
        migrator.wait()


async def test_only_what_is_missing_is_applied_in_order(
    blank_dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("resprout.memory.migrate.FOLDER", tmp_path)
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE resprout.first (x int);")
    await migrate(blank_dsn)
    (tmp_path / "0002_second.sql").write_text("ALTER TABLE resprout.first RENAME TO second;")
    (tmp_path / "0003_third.sql").write_text("ALTER TABLE resprout.second RENAME TO third;")

    assert await pending(blank_dsn) == ["0002_second", "0003_third"]
    assert await migrate(blank_dsn) == ["0002_second", "0003_third"]
    assert await pending(blank_dsn) == []


async def test_a_migration_that_fails_leaves_nothing_and_keeps_those_before_it(
    blank_dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("resprout.memory.migrate.FOLDER", tmp_path)
    (tmp_path / "0001_good.sql").write_text("CREATE TABLE resprout.whole (x int);")
    (tmp_path / "0002_bad.sql").write_text("CREATE TABLE resprout.half (x int); SELECT nonsense;")

    with pytest.raises(ConfigError, match="nonsense"):
        await migrate(blank_dsn)

    assert await pending(blank_dsn) == ["0002_bad"]
    async with watching(blank_dsn) as connection:
        assert await connection.fetchval("SELECT to_regclass('resprout.half')") is None
        assert await connection.fetchval("SELECT to_regclass('resprout.whole')") is not None


async def test_asking_what_is_missing_changes_nothing(blank_dsn: str) -> None:
    await pending(blank_dsn)

    async with watching(blank_dsn) as connection:
        assert await connection.fetchval("SELECT to_regnamespace('resprout')") is None


async def test_an_older_program_misses_nothing_in_a_newer_schema(dsn: str) -> None:
    async with watching(dsn) as connection:
        await connection.execute("UPDATE resprout.schema_version SET version_num = '9999_future'")

    assert await pending(dsn) == []
    assert await migrate(dsn) == []


async def test_a_schema_of_unknown_origin_is_refused(dsn: str) -> None:
    async with watching(dsn) as connection:
        await connection.execute("UPDATE resprout.schema_version SET version_num = '0000_foreign'")

    for asked in (migrate, pending):
        with pytest.raises(ConfigError, match=r"is at 0000_foreign, which this version of Resprout does not know"):
            await asked(dsn)


@asynccontextmanager
async def plain_role(dsn: str) -> AsyncIterator[str]:
    """DSN of a role that may log in and nothing else."""
    name = f"plain_{uuid4().hex[:8]}"
    async with watching(dsn) as connection:
        await connection.execute(f"CREATE ROLE {name} LOGIN")
        try:
            yield dsn.replace("//resprout@", f"//{name}@")
        finally:
            await connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


async def test_a_role_that_may_not_create_the_schema_is_refused_in_one_line(blank_dsn: str) -> None:
    async with plain_role(blank_dsn) as dsn:
        with pytest.raises(
            ConfigError, match=r"permission denied for database .*a role that may create a schema"
        ) as said:
            await migrate(dsn)

    assert "\n" not in str(said.value)


async def test_a_role_that_may_not_read_the_schema_is_refused_in_one_line(dsn: str) -> None:
    async with plain_role(dsn) as plain:
        for asked in (migrate, pending):
            with pytest.raises(ConfigError, match="permission denied for schema resprout"):
                await asked(plain)


async def test_a_role_that_may_only_use_the_tables_is_enough_when_nothing_is_missing(dsn: str) -> None:
    async with plain_role(dsn) as plain, watching(dsn) as owner:
        role = plain.partition("//")[2].partition("@")[0]
        await owner.execute(f"GRANT USAGE ON SCHEMA resprout TO {role}")
        await owner.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA resprout TO {role}")

        assert await migrate(plain) == []


async def test_a_database_that_only_reads_is_refused_in_one_line(blank_dsn: str) -> None:
    async with watching(blank_dsn) as connection:
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    with pytest.raises(ConfigError, match="read-only transaction"):
        await migrate(blank_dsn)
