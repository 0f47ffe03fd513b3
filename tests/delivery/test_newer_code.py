"""While hosts are deployed one after the other, old ones bury nothing that newer code knows, on a real Postgres."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from resprout.actors.agent import Agent, on
from resprout.actors.errors import NewerVersion
from resprout.actors.limits import Limits
from resprout.memory.database import Database
from resprout.memory.store import PostgresStore
from support.counting import Count, Gate, Increment, Log, Pass, Tally, Words
from support.house import HostHere, House, hosts
from support.waiting import count_of, reaches, until_found, working

PATIENCE = timedelta(seconds=0.5)


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    async with hosts(PostgresStore(database), limits=Limits(unknown=PATIENCE)) as (house, _):
        yield house


async def newer_host(database: Database, kind: str, message: str) -> None:
    """What the others see of it: it says what it takes, as if it did so all the time that a test may last."""
    await PostgresStore(database).say_kinds({kind: (1, {"handlers": {message: {}}})})
    await database.pool.execute(
        "UPDATE resprout.messages_taken SET last_seen = now() + interval '1 hour' WHERE kind = $1 AND type = $2",
        kind,
        message,
    )


async def replace_host(house: House, database: Database) -> HostHere:
    """By one that knows what is known now."""
    (old,) = house.hosts.values()
    new = await HostHere(house, PostgresStore(database)).start()
    await old.drain()
    return new


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    return await until_found(look)


async def why_waits(database: Database, kind: str) -> str | None:
    error: str | None = await database.pool.fetchval("SELECT error FROM resprout.mailbox WHERE kind = $1", kind)
    return error


async def letters(database: Database) -> list[str]:
    return [row["kind"] for row in await database.pool.fetch("SELECT kind FROM resprout.dead_letters")]


async def test_a_message_to_a_kind_that_newer_code_knows_waits_for_a_host_of_it(
    house: House, database: Database
) -> None:
    await newer_host(database, "newcomer", "test.increment")
    await house.asks("tally/a", Pass(to="newcomer/a"))
    assert "'newcomer'" in await until(lambda: why_waits(database, "newcomer"))
    await house.tells("tally/b", Pass(to="never-known/a"))
    assert await until(lambda: letters(database)) == ["never-known"]  # which has waited less

    class Newcomer(Agent, kind="newcomer"):
        count: int = 0

        @on
        async def increment(self, message: Increment) -> Count:
            self.count += message.by
            return Count(count=self.count)

    new = await replace_host(house, database)

    await reaches(house, "newcomer/a", 1)
    await new.kill()


async def test_a_message_of_a_type_that_newer_code_handles_waits_for_a_host_of_it(
    house: House, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    (host,) = house.hosts.values()
    gate = Gate()
    await house.tells("tally/a", gate.hold, sender="one")
    await working(host)
    await house.tells("tally/a", Log(word="new"), sender="two")
    monkeypatch.delitem(Tally.handlers, "test.log")
    await newer_host(database, "tally", "test.log")
    gate.open()

    assert "no handler for `test.log`" in await until(lambda: why_waits(database, "tally"))
    await house.asks("tally/b", Pass(to="never-known/a"))
    assert await until(lambda: letters(database)) == ["never-known"]
    monkeypatch.undo()
    new = await replace_host(house, database)

    assert await house.asks("tally/a", Log(word="last")) == Words(words=("new", "last"))
    await new.kill()


async def test_a_message_of_a_type_that_nobody_handles_any_more_is_buried_in_the_end(
    house: House, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    (host,) = house.hosts.values()
    gate = Gate()
    await house.tells("tally/a", gate.hold)
    await working(host)
    await house.tells("tally/a", Log(word="old"))
    monkeypatch.delitem(Tally.handlers, "test.log")
    gate.open()

    assert await until(lambda: letters(database)) == ["tally"]
    assert await count_of(house, "tally/a") == 1


async def test_a_message_to_an_agent_whose_state_newer_code_wrote_waits_for_a_host_of_it(
    house: House, database: Database
) -> None:
    await house.asks("tally/a", Increment())
    (host,) = house.hosts.values()
    await host.drain()
    await database.pool.execute("UPDATE resprout.agents SET state_version = 2")
    old = await HostHere(house, PostgresStore(database), Limits(unknown=PATIENCE)).start()
    await house.tells("tally/a", Increment())

    assert "version 2" in await until(lambda: why_waits(database, "tally"))
    await house.asks("tally/b", Pass(to="never-known/a"))
    assert await until(lambda: letters(database)) == ["never-known"]
    await database.pool.execute("UPDATE resprout.agents SET state_version = 1")
    new = await replace_host(house, database)

    await reaches(house, "tally/a", 2)
    await old.kill()
    await new.kill()


async def test_who_asks_for_what_newer_code_takes_learns_that_it_comes_too_early(
    house: House, database: Database
) -> None:
    await newer_host(database, "newest", "test.increment")

    with pytest.raises(NewerVersion, match=r"the host that has newest/a runs older code .* `test\.increment`"):
        await house.asks("newest/a", Increment())
