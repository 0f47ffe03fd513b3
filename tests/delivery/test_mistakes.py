"""Mistakes inside a handler are refused where they are made, and not found later among the dead letters."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from resprout.actors.agent import Agent, Bounds, on
from resprout.actors.errors import (
    BadAddress,
    BadArgument,
    BadMessage,
    DeadlineInPast,
    ResproutError,
    TooLarge,
    UnknownKind,
    UnknownMessage,
)
from resprout.actors.limits import Limits
from resprout.actors.message import Message
from resprout.memory.database import Database
from resprout.memory.store import PostgresStore
from support.counting import Count, Increment, Slow
from support.house import House, hosts
from support.waiting import count_of

Mistake = Callable[[Any], object]

SECOND = timedelta(seconds=1)


class Err(Message, name="erring.err"):
    pass


class Thimble(Agent, kind="thimble", bounds=Bounds(bytes=10)):
    @on
    async def increment(self, message: Increment) -> None:
        pass


mistakes: list[Mistake] = []
caught: list[ResproutError] = []


class Erring(Agent, kind="erring"):
    """Makes the mistake that the test has left for it. `self` is Any there: the type checker would see most of them."""

    count: int = 0

    @on
    async def increment(self, message: Increment) -> Count:
        self.count += message.by
        return Count(count=self.count)

    @on
    async def err(self, message: Err) -> None:
        self.tell("tally/before", Increment())
        self.count += 1
        try:
            result = mistakes.pop()(self)
            if isinstance(result, Awaitable):
                await result
        except ResproutError as error:
            caught.append(error)
            raise


@pytest.mark.parametrize(
    ("mistake", "error", "sentence"),
    [
        (lambda a: a.tell("tally", Increment()), BadAddress, "'tally' is not an agent address: write kind/key"),
        (lambda a: a.tell(None, Increment()), BadAddress, "kind/key"),
        (lambda a: a.tell("tally/x", Slow(seconds=1)), UnknownMessage, r"'tally' have no handler for `test\.slow`"),
        (lambda a: a.tell("tally/x", {"by": 1}), BadMessage, "sent to tally/x is a dict"),
        (lambda a: a.tell("tally/x", Increment(), priority="urgent"), BadArgument, "low, normal, high, critical"),
        (lambda a: a.tell("tally/x", Increment(), deadline=SECOND), BadArgument, "deadline="),
        (lambda a: a.tell("tally/x", Increment(), deadline=datetime(2090, 1, 1)), BadArgument, "no time zone"),
        (lambda a: a.tell("thimble/x", Increment()), TooLarge, "to thimble/x has .* take 10"),
        (lambda a: a.ask("tally/x", Slow(seconds=1)), UnknownMessage, "no handler"),
        (lambda a: a.ask("tally/x", Increment(), timeout=5), BadArgument, r"timeout=timedelta\(seconds=5\)"),
        (lambda a: a.ask("tally/x", Increment(), timeout=-SECOND), DeadlineInPast, "timeout above zero"),
        (lambda a: a.ask("nobody/x", Increment()), UnknownKind, "nobody"),
        (lambda a: a.of(int, "x"), UnknownKind, "int is not an agent class"),
        (lambda a: a.publish("news", "hello"), BadMessage, "sent to topic news is a str"),
        (lambda a: a.publish("", Increment()), BadAddress, "''"),
        (lambda a: a.subscribe(5), BadAddress, "5"),
        (lambda a: a.remind("wake", Increment, after=SECOND), BadMessage, "the class Increment, not a message"),
        (lambda a: a.remind("wake", Slow(seconds=1), after=SECOND), UnknownMessage, "'erring' have no handler"),
        (lambda a: a.remind("wake", Increment(), after=5), BadArgument, r"after=timedelta\(seconds=5\)"),
        (lambda a: a.remind("wake", Increment(), at=SECOND), BadArgument, "at="),
        (lambda a: a.remind("wake", Increment(), every=SECOND / 2), BadArgument, "`every` is under 1 s"),
        (lambda a: a.remind("wake", Increment(), after=SECOND, missed="all"), BadArgument, "once, each, skip"),
        (lambda a: a.remind("wake", Increment()), BadArgument, "needs a time"),
        (lambda a: a.cancel(None), BadArgument, "not the name of a reminder"),
    ],
)
async def test_a_mistake_is_refused_at_the_call_and_nothing_of_the_turn_happens(
    house: House, database: Database, mistake: Mistake, error: type[ResproutError], sentence: str
) -> None:
    mistakes[:], caught[:] = [mistake], []

    with pytest.raises(error, match=sentence):
        await house.asks("erring/a", Err())

    assert [type(one) for one in caught] == [error]  # in the handler, at the call
    assert await count_of(house, "erring/a") == 0
    assert await database.pool.fetchval("SELECT count(*) FROM resprout.mailbox") == 0


async def test_what_a_kind_of_another_host_may_handle_is_told_and_found_among_the_dead_letters_if_there_is_none(
    database: Database,
) -> None:
    mistakes[:] = [lambda agent: agent.tell("unknown-kind/x", Increment())]
    async with hosts(PostgresStore(database), limits=Limits(unknown=timedelta(seconds=0.2))) as (house, _):
        await house.asks("erring/a", Err())

        await _found_dead(house, database)


async def _found_dead(house: House, database: Database) -> None:
    while not (rows := await database.pool.fetch("SELECT kind, error FROM resprout.dead_letters")):
        assert await count_of(house, "erring/a") == 1
    assert (rows[0]["kind"], "unknown-kind" in rows[0]["error"]) == ("unknown-kind", True)
