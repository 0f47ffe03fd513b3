import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from resprout.actors.errors import ConfigError, NotRunning
from resprout.memory.database import HIDDEN, NoConnectionLeft, check, clock_offset, redacted


@pytest.fixture
async def guarded(postgres: str) -> AsyncIterator[str]:
    """DSN with the password `right` of a role that is asked for it, unlike our others."""
    role = f"guarded_{uuid4().hex[:8]}"
    dsn = postgres.replace("//resprout@", f"//{role}:right@")
    admin = await asyncpg.connect(postgres)
    rules = Path(await admin.fetchval("SHOW hba_file"))
    before = rules.read_text()
    await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'right'")
    try:
        rules.write_text(f"local all {role} scram-sha-256\n{before}")
        await admin.execute("SELECT pg_reload_conf()")
        while await _lets_in(dsn.replace(":right", ":hush")):
            await asyncio.sleep(0.05)  # the server reads its rules again when it gets to it
        yield dsn
    finally:
        rules.write_text(before)
        await admin.execute("SELECT pg_reload_conf()")
        await admin.execute(f"DROP ROLE {role}")
        await admin.close()


async def _lets_in(dsn: str) -> bool:
    try:
        await (await asyncpg.connect(dsn)).close()
    except asyncpg.InvalidPasswordError:
        return False
    return True


async def test_a_server_that_answers_tells_its_version(postgres: str) -> None:
    assert (await check(postgres)).startswith("18")
    assert abs((await clock_offset(postgres)).total_seconds()) < 60


@pytest.mark.parametrize(
    ("dsn", "error", "words"),
    [
        ("nonsense", ConfigError, "is not a DSN"),
        ("", ConfigError, "is not a DSN"),
        ("postgresql://u:hush@127.0.0.1:70000/db", ConfigError, "is not a DSN"),
        ("postgresql://u:hush/x@127.0.0.1:1/db", ConfigError, "is not a DSN"),
        ("postgresql://u:hush@127.0.0.1:1/db", NotRunning, "no Postgres answers"),
        ("postgresql://u:hush@no-such-host.invalid/db", NotRunning, "no Postgres answers"),
        ("postgresql://u:hush@127.0.0.1:port/db", ConfigError, "is not a DSN"),
    ],
)
async def test_a_wrong_dsn_is_explained_in_one_sentence_without_its_password(
    dsn: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        await check(dsn)

    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_wrong_password_is_refused_without_being_shown(guarded: str) -> None:
    assert (await check(guarded)).startswith("18")

    with pytest.raises(ConfigError, match="refuses the user or password") as caught:
        await check(guarded.replace(":right", ":hush"))

    assert "hush" not in str(caught.value)


async def test_a_server_without_room_is_told_from_one_that_is_not_there(guarded: str, postgres: str) -> None:
    role = guarded.partition("//")[2].partition(":")[0]
    admin = await asyncpg.connect(postgres)
    await admin.execute(f"ALTER ROLE {role} CONNECTION LIMIT 0")
    await admin.close()

    with pytest.raises(NoConnectionLeft, match="takes no connections now: too many connections"):
        await check(guarded)


async def test_a_missing_role_is_named(postgres: str) -> None:
    with pytest.raises(ConfigError, match='role "nobody_here" does not exist'):
        await check(postgres.replace("//resprout@", "//nobody_here@"))


async def test_a_missing_database_is_named(postgres: str) -> None:
    with pytest.raises(ConfigError, match="no such database"):
        await check(postgres.replace("@/resprout?", "@/nope?"))


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:hush@h:1/d?sslmode=require",
        "postgresql://u:a@hush@h:1/d",
        "postgres://h/d?password=hush&user=u",
        "postgres://h/d?PassWord=hush",
        "postgres://h/d?password=a@hush",
        "u hush",
        "postgresql://u:hush@[bad",
        "postgresql://u:hush",
        "postgresql:u:hush@h",
        *(
            f"postgresql://u:{odd}@h:1/d"
            for odd in ("hush/x", "x/hush", "hush?x", "x?hush", "hush#x", "x#hush", "1/hush")
        ),
    ],
)
def test_a_redacted_dsn_holds_no_password(dsn: str) -> None:
    assert "hush" not in redacted(dsn)


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://u:hush@h:1/d?sslmode=require", "postgresql://u@h:1/d?sslmode=require"),
        ("postgresql://u:hush@h1:1,h2:2/d", "postgresql://u@h1:1,h2:2/d"),
        ("postgresql://u:hush@[::1]:5432/d", "postgresql://u@[::1]:5432/d"),
        ("postgresql:///d?host=/run/pg&password=hush", f"postgresql:///d?host=/run/pg&password={HIDDEN}"),
    ],
)
def test_a_redacted_dsn_still_says_where(dsn: str, shown: str) -> None:
    assert redacted(dsn) == shown
