"""The contract of `actors.store.Store`: Postgres and the simulation's dictionaries must not differ in it.

What the simulation shows of the delivery is worth as much as its store is like the real one.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar
from uuid import UUID

import pytest
from resprout.actors.address import AgentAddress
from resprout.actors.envelope import Replied
from resprout.actors.errors import IdTaken
from resprout.actors.ids import new_id
from resprout.actors.message import Message
from resprout.actors.reminders import Reminder
from resprout.actors.shards import slot_of
from resprout.actors.store import (
    Advance,
    Arrival,
    Arrived,
    Beginning,
    Collected,
    Committed,
    Fenced,
    Fired,
    FireOutcome,
    Full,
    Handled,
    Held,
    Store,
    Superseded,
)
from resprout.actors.turn import Effects, Published
from resprout.memory.database import Database
from resprout.memory.store import PostgresStore
from simulation.database import SimDatabase, Switches
from simulation.loop import SimulatedLoop
from simulation.store import SimStore
from simulation.weather import Weather
from support.counting import Increment, Log, Tally
from support.house import envelope
from support.shards import Holder, holder

Result = TypeVar("Result")

A = AgentAddress("tally", "a")
NEIGHBOUR = next(one for n in range(10_000) if slot_of(one := AgentAddress("tally", f"a-{n}")) == slot_of(A))

ROWS = Tally.options.bounds.rows
WARDEN = AgentAddress("warden", "main")


class CalmStore(SimStore):
    """Nothing befalls its calls; what they do is the simulation's."""

    async def _call(self, work: Callable[[], Result]) -> Result:
        return work()


@pytest.fixture
async def postgres_store(dsn: str) -> AsyncIterator[Store]:
    async with await Database.open(dsn) as database:
        store = PostgresStore(database)
        yield store
        store.abandon()


@pytest.fixture
def calm_store() -> Store:
    chance = Random(0)
    loop = SimulatedLoop(chance)  # type: ignore[abstract]  # what it lacks nobody calls
    return CalmStore(SimDatabase([A, WARDEN], Switches()), loop, Weather(chance, (0.0,)))


@pytest.fixture(params=["postgres_store", "calm_store"])
def store(request: pytest.FixtureRequest) -> Store:
    store: Store = request.getfixturevalue(request.param)
    return store


@pytest.fixture
async def host(store: Store) -> Holder:
    return await holder(store)


def before(held: Held) -> Held:
    return Held(held.id, held.epoch - 1)


def arrival(held: Held) -> Arrival:
    return Arrival(held, A, envelope(str(A), Increment(), "tell", seconds=None), in_memory=False)


def turn(address: AgentAddress, held: Held) -> Advance:
    message = envelope(str(address), Increment(), "ask")
    return Advance(address, held, 0, "{}", 1, [Handled(message, stored=False, reply=Replied())])


async def test_a_message_accepted_under_an_old_epoch_is_refused_beside_one_under_the_new(host: Holder) -> None:
    held = host.held_of(A)

    outcomes = await host.store.accept(host.id, [arrival(before(held)), arrival(held), arrival(before(held))])

    assert outcomes == [Fenced(), Arrived(new=True), Fenced()]


async def test_the_same_message_under_both_epochs_arrives_under_the_new(host: Holder) -> None:
    new = arrival(host.held_of(A))
    old = Arrival(before(new.held), A, new.envelope, in_memory=False)

    assert await host.store.accept(host.id, [new, old]) == [Arrived(new=True), Fenced()]


@pytest.mark.parametrize("other", [Increment(by=2), Log(word="by")], ids=["other fields", "another type"])
async def test_another_message_under_an_id_that_waits_or_was_handled_is_refused(host: Holder, other: Message) -> None:
    first = arrival(host.held_of(A))
    second = replace(first, envelope=envelope(str(A), other, "tell", first.envelope.id))
    await host.store.accept(host.id, [first])

    assert [type(outcome) for outcome in await host.store.accept(host.id, [first, second])] == [Arrived, IdTaken]

    handled = Handled(first.envelope, stored=True, reply=Replied())
    await host.store.commit(host.id, [replace(turn(A, first.held), handled=[handled])])

    assert [type(outcome) for outcome in await host.store.accept(host.id, [again(first), second])] == [Arrived, IdTaken]
    assert [type(outcome) for outcome in await host.store.accept(host.id, [full(again(first)), full(second)])] == [
        Arrived,
        IdTaken,
    ]


def again(first: Arrival) -> Arrival:
    return replace(first, envelope=first.envelope.model_copy(update={"attempt": 2}))


def full(other: Arrival) -> Arrival:
    """For which there is no room."""
    return replace(other, bounds=(0, 0))


async def test_a_turn_under_an_old_epoch_is_refused_beside_one_under_the_new(host: Holder) -> None:
    held = host.held_of(A)

    outcomes = await host.store.commit(host.id, [turn(A, before(held)), turn(NEIGHBOUR, held)])

    assert outcomes == [Fenced(), Committed()]


async def test_mail_is_collected_under_the_epoch_that_holds(host: Holder) -> None:
    held = host.held_of(A)
    await host.store.accept(host.id, [arrival(held)])

    assert await host.store.collect(host.id, [before(held)], 10) == []
    assert [row.held for row in await host.store.collect(host.id, [before(held), held], 10)] == [held]


async def test_what_waits_for_a_kind_goes_over_to_its_own_hosts_with_the_first_of_them(host: Holder) -> None:
    held = host.held_of(A)
    waiting = arrival(held)
    await host.store.accept(host.id, [waiting])

    own = await holder(host.store, pool=A.kind)

    assert await host.store.accept(host.id, [arrival(held)]) == [Fenced()]
    rows = [row for row in await host.store.collect(own.id, list(own.held.values()), 10) if isinstance(row, Collected)]
    assert [(row.envelope.id, row.held) for row in rows] == [(waiting.envelope.id, own.held_of(A))]
    await host.look()
    assert await collected(host, 10) == []


async def test_what_waits_for_a_kind_comes_back_when_its_hosts_are_gone(host: Holder) -> None:
    own = await holder(host.store, pool=A.kind)
    waiting = arrival(own.held_of(A))
    await host.store.accept(own.id, [waiting])

    assert not await host.store.dissolve(A.kind)
    await host.store.retire(own.id)
    assert await host.store.dissolve(A.kind)
    assert not await host.store.dissolve(A.kind)

    await host.look()
    rows = await collected(host, 10)
    assert [(row.envelope.id, row.held) for row in rows] == [(waiting.envelope.id, host.held_of(A))]


async def test_a_second_host_of_a_pool_ends_nobodys_hold(host: Holder) -> None:
    own = await holder(host.store, pool=A.kind)
    await host.look()

    await holder(host.store, pool=A.kind)

    assert await host.store.accept(own.id, [arrival(own.held_of(A))]) == [Arrived(new=True)]
    assert await host.store.commit(host.id, [turn(WARDEN, host.held_of(WARDEN))]) == [Committed()]


async def test_a_message_is_blamed_for_the_death_of_a_host_only_when_its_turn_had_begun(host: Holder) -> None:
    store = host.store
    begun, waiting = arrival(host.held_of(A)), arrival(host.held_of(A))
    await store.accept(host.id, [begun, waiting])

    seen = []
    for _ in range(3):
        rows = await collected(host, 10)
        seen.append([(row.attempts, row.suspect) for row in rows])
        assert await store.begin(host.id, [Beginning(host.held_of(A), A, begun.envelope.id)]) == [True]
        await store.retire(host.id)
        host = await holder(store)

    assert seen == [[(0, False)] * 2, [(1, True), (0, True)], [(2, True), (0, True)]]


async def test_nobody_is_blamed_when_a_host_gives_its_shards_back(host: Holder) -> None:
    message = arrival(host.held_of(A))
    await host.store.accept(host.id, [message])
    await collected(host, 10)
    await host.store.begin(host.id, [Beginning(host.held_of(A), A, message.envelope.id)])

    await host.store.release(host.id, list(host.held.values()))
    await host.look()

    (row,) = await collected(host, 10)
    assert (row.attempts, row.suspect) == (0, False)


async def test_a_turn_cannot_begin_under_an_old_epoch(host: Holder) -> None:
    held = host.held_of(A)
    message = arrival(held)
    await host.store.accept(host.id, [message])

    turns = [Beginning(one, A, message.envelope.id) for one in (before(held), held)]

    assert await host.store.begin(host.id, turns) == [False, True]


async def collected(host: Holder, most: int) -> list[Collected]:
    rows = await host.store.collect(host.id, list(host.held.values()), most)
    return [row for row in rows if isinstance(row, Collected)]


async def fill(host: Holder, rows: int) -> None:
    arrivals = [arrival(host.held_of(A)) for _ in range(rows)]
    assert await host.store.accept(host.id, arrivals) == [Arrived(new=True)] * rows


async def mail_of(host: Holder) -> list[UUID]:
    return [row.envelope.id for row in await collected(host, 1_000)]


async def test_what_is_published_to_a_full_mailbox_goes_to_the_dead_letters_of_that_subscriber(host: Holder) -> None:
    follows = replace(turn(A, host.held_of(A)).handled[0], effects=Effects(topics={"news": True}))
    await host.store.commit(host.id, [replace(turn(A, host.held_of(A)), handled=[follows])])
    await fill(host, ROWS - 1)
    news = [envelope("", Increment(), "tell", seconds=None) for _ in range(3)]
    publishes = replace(
        turn(WARDEN, host.held_of(WARDEN)).handled[0],
        effects=Effects(published=[Published("news", one, 0) for one in news]),
    )

    outcome = await host.store.commit(host.id, [replace(turn(WARDEN, host.held_of(WARDEN)), handled=[publishes])])

    assert outcome == [Committed(frozenset({host.held_of(A).id}))]
    mail = await mail_of(host)
    assert mail[ROWS - 1 :] == [news[0].id]
    again = [Arrival(host.held_of(A), A, one.model_copy(update={"attempt": 2}), False) for one in news]
    assert await host.store.accept(host.id, again) == [Arrived(new=False)] * 3


def reminder_of(at: datetime) -> Reminder:
    return Reminder(new_id(), "tick", at, timedelta(seconds=1), "once", "test.increment", 1, "{}")


async def test_a_reminder_of_a_full_mailbox_stays_due_until_there_is_room(host: Holder) -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    reminds = replace(turn(A, host.held_of(A)).handled[0], effects=Effects(reminders={"tick": reminder_of(at)}))
    await host.store.commit(host.id, [replace(turn(A, host.held_of(A)), handled=[reminds])])
    await fill(host, 2)
    (due,), _ = await host.store.due(list(host.held.values()), at, 10)
    tick = envelope(str(A), Increment(), "tell", seconds=None)

    def fire(rows: int) -> Awaitable[FireOutcome]:
        return host.store.fire(host.id, due, [tick], at + timedelta(seconds=1), (rows, 1_000_000))

    assert await fire(rows=2) == Full(str(A))
    assert await host.store.due(list(host.held.values()), at, 10) == ([due], None)
    assert await fire(rows=3) == Fired()
    assert await fire(rows=9) == Superseded()
    assert (await mail_of(host))[2:] == [tick.id]
