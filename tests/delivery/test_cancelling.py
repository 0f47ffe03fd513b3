"""Who may take back what was asked: its asker, unless another one waits for the same."""

import asyncio
from uuid import UUID

import pytest
from resprout.actors.address import AgentAddress
from resprout.actors.errors import DeadlinePassed
from resprout.actors.ids import new_id
from support.counting import Increment
from support.house import House, envelope
from support.waiting import count_of, until

HELD = Increment(think_seconds=60)


async def test_a_cancelled_step_takes_back_what_two_attempts_at_it_asked(house: House) -> None:
    step = new_id()
    attempts = [asyncio.create_task(house.asks("tally/a", HELD, message_id=step, seconds=100, run="r")) for _ in "12"]
    await until_both_wait(house, step)

    house.caller.cancel(envelope("tally/a", HELD, "ask", step, run="r"))

    for attempt in attempts:
        with pytest.raises(DeadlinePassed):
            await attempt
    assert await count_of(house, "tally/a") == 0


async def test_one_of_two_askers_takes_nothing_from_the_other(house: House) -> None:
    message = new_id()
    soon = Increment(think_seconds=2)
    askers = [asyncio.create_task(house.asks("tally/a", soon, message_id=message, seconds=100)) for _ in "12"]
    await until_both_wait(house, message)

    house.caller.cancel(envelope("tally/a", soon, "ask", message))

    assert [getattr(await asker, "count", None) for asker in askers] == [1, 1]


async def until_both_wait(house: House, message: UUID) -> None:
    (host,) = house.hosts.values()

    def both() -> bool:
        activation = host.delivery.population.active.get(AgentAddress("tally", "a"))
        entry = activation.mailbox.find(message) if activation is not None else None
        return entry is not None and len(entry.answers) == 2 and bool(host.delivery.handling.running)

    await until(both)
