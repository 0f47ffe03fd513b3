import pytest
from resprout.actors.errors import ConfigError, NotRunning
from resprout.memory.database import check, clock_offset, redacted


async def test_a_server_that_answers_tells_its_version(postgres: str) -> None:
    assert (await check(postgres)).startswith("18")
    assert abs((await clock_offset(postgres)).total_seconds()) < 60


@pytest.mark.parametrize(
    ("dsn", "error", "words"),
    [
        ("nonsense", ConfigError, "is not a DSN"),
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


async def test_a_missing_database_is_named(postgres: str) -> None:
    with pytest.raises(ConfigError, match="no such database"):
        await check(postgres.replace("@/resprout?", "@/nope?"))


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:hush@h:1/d?sslmode=require",
        "postgres://h/d?password=hush&user=u",
        "u hush",
        "postgresql://u:hu:sh@[bad",
    ],
)
def test_a_redacted_dsn_holds_no_password(dsn: str) -> None:
    assert "hush" not in redacted(dsn)
    assert "hu:sh" not in redacted(dsn)
