"""What is kept for runs, and for how long, on a real Postgres."""

from datetime import UTC, datetime, timedelta

from resprout.memory.database import Database
from resprout.memory.large_payloads import fetch, keep, remove

DAY = timedelta(days=1)


async def kept(database: Database, text: bytes, age: timedelta) -> bytes:
    (key,) = await keep(database, [text])
    await database.pool.execute(
        "UPDATE resprout.large_payloads SET kept_at = now() - $2::interval WHERE key = $1", key, age
    )
    return key


async def test_what_is_older_is_removed_the_oldest_first_and_so_many_at_a_time(database: Database) -> None:
    keys = [await kept(database, bytes([days]), days * DAY) for days in (1, 5, 9, 7)]
    before = datetime.now(UTC) - 3 * DAY

    assert [await remove(database, before, 2)] == [2]
    assert await fetch(database, keys) == [b"\x01", b"\x05", None, None]


async def test_what_is_read_or_kept_again_is_young_again(database: Database) -> None:
    read, again, forgotten = [await kept(database, text, 9 * DAY) for text in (b"read", b"again", b"forgotten")]
    await fetch(database, [read])
    await keep(database, [b"again"])

    assert await remove(database, datetime.now(UTC) - DAY, 100) == 1
    assert await fetch(database, [read, again, forgotten]) == [b"read", b"again", None]


async def test_what_somebody_keeps_again_at_this_moment_stays(database: Database) -> None:
    key = await kept(database, b"again", 9 * DAY)

    async with database.pool.acquire() as other, other.transaction():
        await other.execute("UPDATE resprout.large_payloads SET kept_at = now()")
        assert await remove(database, datetime.now(UTC) - DAY, 100) == 0

    assert await fetch(database, [key]) == [b"again"]
