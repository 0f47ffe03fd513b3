"""A store that fails where nobody expects it: no effect without its mark, and nobody pays who is not concerned."""

from typing import Any

import pytest
from resprout.actors.ids import new_id
from resprout.memory.database import Database
from support.counting import Count, Increment
from support.house import House

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
