import asyncio
import subprocess
import sys

import asyncpg
import pytest
from resprout.actors.errors import ConfigError
from resprout.memory.migrate import FOLDER, LOCK, migrate, pending

NAMES = sorted(path.stem for path in FOLDER.glob("*.sql"))


async def test_an_empty_database_gets_every_migration_once(blank_dsn: str) -> None:
    assert await pending(blank_dsn) == NAMES

    assert await migrate(blank_dsn) == NAMES

    assert await pending(blank_dsn) == []
    assert await migrate(blank_dsn) == []


async def test_migrators_at_once_do_the_work_once(blank_dsn: str) -> None:
    applied = await asyncio.gather(*(migrate(blank_dsn) for _ in range(4)))

    assert sorted(map(len, applied)) == [0, 0, 0, len(NAMES)]


async def test_a_migrator_killed_while_it_holds_the_lock_does_not_block_the_next(blank_dsn: str) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import asyncio, asyncpg, sys\n"
            "async def main():\n"
            "    connection = await asyncpg.connect(sys.argv[1])\n"
            "    await connection.execute(f'SELECT pg_advisory_lock({sys.argv[2]})')\n"
            "    print('locked', flush=True)\n"
            "    await asyncio.Event().wait()\n"
            "asyncio.run(main())",
            blank_dsn,
            str(LOCK),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    waiting = asyncio.create_task(migrate(blank_dsn))
    done, _ = await asyncio.wait({waiting}, timeout=0.5)
    assert not done, "the lock does not keep migrators apart"

    holder.kill()
    holder.wait()
    holder.stdout.close()

    assert await asyncio.wait_for(waiting, 30) == NAMES


async def test_a_migration_that_fails_leaves_nothing(blank_dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "0001_bad.sql").write_text("CREATE TABLE resprout.half (x int); SELECT nonsense;")
    monkeypatch.setattr("resprout.memory.migrate.FOLDER", tmp_path)

    with pytest.raises(Exception, match="nonsense"):
        await migrate(blank_dsn)

    connection = await asyncpg.connect(blank_dsn)
    assert await connection.fetchval("SELECT to_regclass('resprout.half')") is None
    await connection.close()
    assert await pending(blank_dsn) == ["0001_bad"]


async def test_a_database_newer_than_the_program_is_refused(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("UPDATE resprout.schema_version SET version_num = '9999_future'")
    await connection.close()

    with pytest.raises(ConfigError, match="newer"):
        await migrate(dsn)
