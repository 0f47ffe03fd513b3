"""An agent's journal: entries that are there if and only if the turn that entered them was committed."""

import asyncio

import pytest
from resprout.actors.agent import Agent, on
from resprout.actors.errors import AgentFailed, Rejected, TooLarge
from resprout.actors.message import Message
from resprout.memory.database import Database
from resprout.memory.store import PostgresStore
from support.house import House, hosts


class Enter(Message, name="test.enter"):
    text: str
    times: int = 1
    then_fail: bool = False


class Entered(Message, name="test.entered"):
    number: int


class Read(Message, name="test.read"):
    first: int = 1
    last: int = 1_000


class Page(Message, name="test.page"):
    texts: tuple[str, ...]


class Diarist(Agent, kind="test-diarist"):
    entries: int = 0

    @on
    async def take_down(self, message: Enter) -> Entered:
        self.entries += 1
        self.write_journal(self.entries, Enter(text=message.text * message.times))
        if message.then_fail:
            raise ValueError("on purpose")
        return Entered(number=self.entries)

    @on
    async def read(self, message: Read) -> Page:
        stored = await self.read_journal(message.first, message.last)
        return Page(texts=tuple(Enter.model_validate_json(one).text for one in stored))


class Forgetful(Agent, kind="test-forgetful", ephemeral=True):
    @on
    async def take_down(self, message: Enter) -> None:
        self.write_journal(1, message)


async def test_what_was_entered_is_read_in_its_order(house: House) -> None:
    for text in ("one", "two", "three"):
        await house.asks("test-diarist/a", Enter(text=text))

    assert await house.asks("test-diarist/a", Read(first=2)) == Page(texts=("two", "three"))
    assert await house.asks("test-diarist/a", Read(last=1)) == Page(texts=("one",))
    assert await house.asks("test-diarist/b", Read()) == Page(texts=())


async def test_entries_of_turns_that_are_committed_together_are_all_there(house: House) -> None:
    asked = [house.asks("test-diarist/a", Enter(text=str(n))) for n in range(100)]
    await asyncio.gather(*asked)

    page = await house.asks("test-diarist/a", Read())

    assert isinstance(page, Page)
    assert sorted(page.texts, key=int) == [str(n) for n in range(100)]


async def test_a_turn_that_fails_enters_nothing(house: House) -> None:
    with pytest.raises(AgentFailed):
        await house.asks("test-diarist/a", Enter(text="no", then_fail=True))
    await house.asks("test-diarist/a", Enter(text="yes"))

    assert await house.asks("test-diarist/a", Read()) == Page(texts=("yes",))


async def test_a_journal_outlives_its_host(database: Database) -> None:
    async with hosts(PostgresStore(database)) as (house, _):
        await house.asks("test-diarist/a", Enter(text="kept"))
    async with hosts(PostgresStore(database)) as (house, _):
        assert await house.asks("test-diarist/a", Read()) == Page(texts=("kept",))


async def test_what_cannot_be_entered_is_refused_in_words(house: House) -> None:
    with pytest.raises(TooLarge, match="entry 1 of the journal of test-diarist/a has"):
        await house.asks("test-diarist/a", Enter(text="x", times=1_000_001))
    with pytest.raises(Rejected, match="is ephemeral and cannot keep a journal"):
        await house.asks("test-forgetful/a", Enter(text="gone"))
