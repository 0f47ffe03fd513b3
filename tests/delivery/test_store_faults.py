"""A store that fails where nobody expects it: no effect without its mark, and nobody pays who is not concerned."""

import asyncio
from typing import Any

import pytest
from resprout.actors.errors import BadMessage
from resprout.actors.ids import new_id
from resprout.memory.database import Database
from support.counting import Count, Increment
from support.house import House
from support.waiting import opened

# The first write of an agent's second version meets a damaged block.
DAMAGED_ONCE = """
CREATE SEQUENCE resprout.damages;
CREATE FUNCTION resprout.damaged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('resprout.damages') = 1 THEN
        RAISE EXCEPTION 'could not read block 7' USING ERRCODE = 'data_corrupted';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER damaged BEFORE UPDATE ON resprout.agents FOR EACH ROW EXECUTE FUNCTION resprout.damaged();
"""


async def test_an_error_of_postgres_that_nobody_expects_doubles_no_effect(house: House, database: Database) -> None:
    await house.asks("tally/a", Increment(by=1))
    await database.pool.execute(DAMAGED_ONCE)
    first = new_id()

    await house.asks("tally/a", Increment(by=10), message_id=first)
    await house.asks("tally/a", Increment(by=100))
    await house.asks("tally/a", Increment(by=10), message_id=first)

    assert await house.asks("tally/a", Increment(by=0)) == Count(count=111)


async def test_a_commit_that_ends_in_a_defect_is_an_unknown_outcome(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    (host,) = house.hosts.values()
    await house.asks("tally/a", Increment(by=1))
    commit = host.store.commit

    async def fails_once(*args: Any) -> Any:
        await commit(*args)
        monkeypatch.undo()
        raise KeyError("a defect after the commit")

    monkeypatch.setattr(host.store, "commit", fails_once)

    assert await house.asks("tally/a", Increment(by=10)) == Count(count=11)
    assert await house.asks("tally/a", Increment(by=0)) == Count(count=11)


async def test_a_told_message_that_cannot_be_stored_is_refused_alone(house: House) -> None:
    (host,) = house.hosts.values()
    await opened(host)
    before = list(host.delivery.holdings)
    bad = house.tells("tally/x", Increment(), tenant="a\0b")
    good = [house.tells(f"tally/{n}", Increment()) for n in range(20)]

    outcomes = await asyncio.gather(bad, *good, return_exceptions=True)

    assert isinstance(outcomes[0], BadMessage)
    assert not any(isinstance(outcome, BaseException) for outcome in outcomes[1:])
    assert not host.delivery.holdings.which_are("doubted")
    assert list(host.delivery.holdings) == before
