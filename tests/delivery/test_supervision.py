"""Messages that cannot be handled: dead letters, quarantine, supervisors, deadlines, bounds."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import eq
from typing import Any

import pytest
from resprout.actors.address import AgentAddress
from resprout.actors.agent import Agent
from resprout.actors.errors import (
    AgentFailed,
    BadArgument,
    BadClass,
    BadMessage,
    DeadlinePassed,
    MailboxFull,
    Quarantined,
    TooLarge,
    UnknownKind,
    UnknownMessage,
)
from resprout.actors.limits import Limits
from resprout.actors.message import Message, body_of
from resprout.actors.supervision import Supervision
from resprout.memory.agents import AgentRows
from resprout.memory.database import Database
from resprout.memory.dead_letters import DeadLetters
from resprout.memory.store import PostgresStore
from support.counting import (
    Announce,
    AnswerBadly,
    AnyReply,
    AskOther,
    Fail,
    Follow,
    Gate,
    Increment,
    Log,
    Misbehave,
    Pass,
    RemindMe,
    Slow,
    Tally,
    Words,
)
from support.house import House, envelope, hosts
from support.waiting import all_handled, count_of, opened, reaches, until, until_found, working


async def buried(database: Database) -> Any:
    return await until_found(lambda: database.pool.fetchrow("SELECT * FROM resprout.dead_letters"))


async def drained(database: Database) -> None:
    await all_handled(database)


async def running(house: House) -> None:
    """Until a turn runs."""
    (host,) = house.hosts.values()
    await working(host)


async def test_poison_sets_a_wary_agent_aside_and_tells_its_supervisor(house: House, database: Database) -> None:
    await house.tells("wary/a", Fail())
    await buried(database)

    with pytest.raises(Quarantined, match="resprout agent release wary/a"):
        await house.asks("wary/a", Increment())

    await until_found(lambda: house.asks("warden/main", Log(word="")), lambda found: found == Words(words=("wary/a",)))


async def test_a_supervisor_is_told_of_each_death_of_a_message_that_is_replayed(
    house: House, database: Database
) -> None:
    for deaths in (1, 2):
        if deaths == 1:
            await house.tells("wary/a", Fail())
        else:
            await AgentRows(database).release(AgentAddress("wary", "a"))
            await DeadLetters(database).replay((await buried(database))["message_id"])

        told = Words(words=("wary/a",) * deaths)
        await until_found(lambda: house.asks("warden/main", Log(word="")), partial(eq, told))


async def test_what_is_told_to_an_agent_in_quarantine_is_handled_after_its_release(
    house: House, database: Database
) -> None:
    await house.tells("wary/a", Fail())
    await buried(database)
    await house.tells("wary/a", Increment(by=5))

    await database.pool.execute("DELETE FROM resprout.quarantined")
    await database.pool.execute("UPDATE resprout.mailbox SET in_memory = false")

    await all_handled(database)
    assert await count_of(house, "wary/a") == 5


async def test_a_released_agent_answers_the_next_ask_although_no_mail_waits(house: House, database: Database) -> None:
    await house.tells("wary/a", Fail())
    await buried(database)
    with pytest.raises(Quarantined):
        await house.asks("wary/a", Increment())

    await AgentRows(database).release(AgentAddress("wary", "a"))

    assert await count_of(house, "wary/a") == 0


async def test_a_released_agent_goes_on_with_its_mail_and_is_asked_in_turn(house: House, database: Database) -> None:
    await house.tells("wary/a", Fail())
    await buried(database)
    await house.tells("wary/a", Increment(by=5))

    await AgentRows(database).release(AgentAddress("wary", "a"))

    await drained(database)
    assert await count_of(house, "wary/a") == 5


async def test_a_message_that_kills_its_hosts_is_buried_in_the_end(database: Database) -> None:
    for _ in range(4):
        async with hosts(PostgresStore(database)) as (house, (host,)):
            await opened(host)
            if not await database.pool.fetchval("SELECT count(*) FROM resprout.mailbox"):
                await house.tells("tally/a", Increment(think_seconds=60))
            await until(lambda: host.delivery.handling.running or not host.delivery.backlog.mail)
            await host.kill()

    async with hosts(PostgresStore(database)):
        row = await buried(database)

    assert "its host died" in row["error"]


async def test_what_waits_for_an_agent_in_quarantine_is_not_blamed_for_deaths_of_hosts(database: Database) -> None:
    async with hosts(PostgresStore(database)) as (house, (host,)):
        await house.tells("wary/a", Fail())
        await buried(database)
        await house.tells("wary/a", Increment(by=5))
        await host.kill()
    for _ in range(3):
        async with hosts(PostgresStore(database)) as (house, (host,)):
            await opened(host)
            with pytest.raises(Quarantined):
                await house.asks("wary/a", Increment())
            await host.kill()

    assert await database.pool.fetchval("SELECT attempts FROM resprout.mailbox") == 0
    assert await database.pool.fetchval("SELECT count(*) FROM resprout.dead_letters") == 1


async def test_a_told_message_past_its_deadline_is_dropped_with_a_record(house: House, database: Database) -> None:
    await house.tells("tally/a", Increment(think_seconds=0.3))
    await house.tells("tally/a", Increment(), deadline=datetime.now(UTC) + timedelta(seconds=0.1))

    row = await buried(database)

    assert "deadline" in row["error"]
    assert await count_of(house, "tally/a") == 1


async def test_a_told_message_is_tried_again_when_an_ask_in_its_turn_got_no_answer(
    house: House, database: Database
) -> None:
    await house.tells("tally/a", AskOther(to="tally/slow", think_seconds=0.6, timeout_seconds=0.3))

    assert (await buried(database))["attempts"] == 3


async def test_a_told_message_waits_for_room_where_its_turn_tells_something(house: House, database: Database) -> None:
    await house.tells("tally/b", Increment(think_seconds=1))
    for _ in range(49):
        await house.tells("tally/b", Increment())

    await house.tells("tally/a", Pass(to="tally/b"))

    await all_handled(database)
    await reaches(house, "tally/b", 51)
    assert await database.pool.fetchval("SELECT count(*) FROM resprout.dead_letters") == 0


async def test_a_handler_is_stopped_at_its_deadline_and_the_next_message_is_handled(house: House) -> None:
    with pytest.raises(DeadlinePassed):
        await house.asks("tally/a", Increment(think_seconds=30), seconds=0.5)

    assert await count_of(house, "tally/a") == 0


async def test_bad_input_is_refused_with_its_own_error(house: House) -> None:
    with pytest.raises(UnknownKind, match="nobody"):
        await house.asks("nobody/a", Increment())
    with pytest.raises(UnknownMessage, match=r"test\.slow"):
        await house.asks("tally/a", Slow(seconds=1))
    with pytest.raises(TooLarge, match="1,000,000"):
        await house.asks("tally/a", Log(word="x" * 1_000_001))
    with pytest.raises(BadMessage, match="by"):
        await house.caller.ask(envelope("tally/a", Increment(), "ask").model_copy(update={"body": '{"by": "many"}'}))


async def test_a_state_that_grows_too_large_is_refused_and_stays_as_before(house: House) -> None:
    await house.asks("tally/a", Log(word="x" * 300_000))

    with pytest.raises(TooLarge, match="the state of tally/a"):
        await house.asks("tally/a", Log(word="x" * 300_000))

    assert await count_of(house, "tally/a") == 0


async def test_a_state_that_is_no_json_fails_its_turn_and_names_the_agent(house: House) -> None:
    with pytest.raises(AgentFailed, match="the state of blob/a cannot be stored"):
        await house.asks("blob/a", Increment())


async def test_a_wrong_value_for_a_field_of_the_state_fails_its_turn_and_names_the_field(house: House) -> None:
    with pytest.raises(
        AgentFailed, match=r"unruly/a failed on `test\.misbehave`: Unruly: count: Input should be"
    ) as caught:
        await house.asks("unruly/a", Misbehave(how="assign badly"))

    assert "\n" not in str(caught.value)
    assert "pydantic" not in str(caught.value)


@pytest.mark.parametrize(
    "mistake", [lambda: Log(word="no file \udcff"), lambda: AnyReply(value=object())], ids=["half", "object"]
)
def test_a_message_that_is_no_json_is_refused_where_it_is_sent(mistake: Callable[[], Message]) -> None:
    with pytest.raises(
        BadMessage, match=r"`test.* cannot be sent: `(word` has half of a character|value` holds something of)"
    ):
        body_of(mistake())


async def test_a_reply_that_is_no_json_fails_its_turn_and_is_buried_when_told(house: House, database: Database) -> None:
    with pytest.raises(AgentFailed, match=r"the reply `test\.any-reply` of unruly/a cannot be stored as JSON"):
        await house.asks("unruly/a", AnswerBadly())

    await house.tells("unruly/a", AnswerBadly())

    await buried(database)
    assert await count_of(house, "unruly/a") == 0


async def test_poison_whose_error_cannot_be_stored_as_it_is_is_buried(house: House, database: Database) -> None:
    await house.tells("unruly/a", Misbehave(how="unprintable"))

    assert r"no file \udcff\0 here" in (await buried(database))["error"]


def test_a_supervisor_that_is_no_address_is_refused_when_the_class_is_written() -> None:
    with pytest.raises(BadClass, match="escalate_to names no agent"):
        Supervision(escalate_to="warden")


async def test_a_deadline_without_a_time_zone_fails_the_turn_that_gives_it(house: House) -> None:
    with pytest.raises(BadArgument, match="has no time zone"):
        await house.asks("unruly/a", Misbehave(how="naive deadline"))

    assert await count_of(house, "unruly/a") == 0


async def test_an_exception_beside_the_handler_is_the_failure_of_its_message(
    house: House, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Agent) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(Tally, "end_turn", fails)
    await house.tells("tally/a", Increment())

    assert "KeyError: 'a defect'" in (await buried(database))["error"]
    monkeypatch.undo()
    assert await count_of(house, "tally/a") == 0


async def test_what_postgres_cannot_store_fails_its_own_turn_and_no_other(house: House) -> None:
    bad = [house.asks(f"tally/{n}", Log(word="\0")) for n in range(3)]
    good = [house.asks(f"tally/{n % 5}", Increment()) for n in range(50)]

    outcomes = await asyncio.gather(*bad, *good, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes[:3]] == [BadMessage] * 3
    assert not any(isinstance(outcome, Exception) for outcome in outcomes[3:])


async def test_an_agent_is_no_longer_cautious_once_what_cannot_be_stored_is_found(house: House) -> None:
    asked = [house.asks("tally/a", Log(word="\0" if n == 5 else "x")) for n in range(10)]

    outcomes = await asyncio.gather(*asked, return_exceptions=True)

    assert [isinstance(outcome, BadMessage) for outcome in outcomes] == [n == 5 for n in range(10)]
    (host,) = house.hosts.values()
    assert not host.delivery.population.active[AgentAddress("tally", "a")].uncommitted.cautious


async def test_a_turn_that_tells_a_full_mailbox_is_refused_as_a_whole(house: House, database: Database) -> None:
    gate = Gate()
    await house.tells("tally/b", gate.hold)
    for _ in range(49):
        await house.tells("tally/b", Increment())

    with pytest.raises(MailboxFull, match="tally/b"):
        await house.asks("tally/a", Pass(to="tally/b", times=2))

    gate.open()
    assert await count_of(house, "tally/a") == 0
    await all_handled(database)
    assert await count_of(house, "tally/b") == 50


async def test_a_tenant_has_its_bound_over_all_its_agents(database: Database) -> None:
    async with hosts(PostgresStore(database), limits=Limits(tenant_rows=10)) as (house, _):
        slow = [house.tells(f"tally/{n}", Increment(think_seconds=600), tenant="small") for n in range(10)]
        await asyncio.gather(*slow)

        with pytest.raises(MailboxFull, match="tenant 'small'"):
            await house.tells("tally/more", Increment(), tenant="small")
        await house.tells("tally/more", Increment(), tenant="other")


async def test_asks_that_wait_are_bounded_by_bytes_as_mail_is(house: House) -> None:
    slow = asyncio.create_task(house.asks("small/a", Increment(think_seconds=1)))
    await running(house)

    asked = [asyncio.create_task(house.asks("small/a", Log(word="x" * 400))) for _ in range(5)]

    outcomes = await asyncio.gather(slow, *asked, return_exceptions=True)
    assert [isinstance(one, MailboxFull) for one in outcomes] == [False] * 3 + [True] * 3


async def test_asks_that_wait_count_for_their_tenant(database: Database) -> None:
    async with hosts(PostgresStore(database), limits=Limits(tenant_rows=5)) as (house, (host,)):
        gate = Gate()
        slow = [asyncio.create_task(house.asks(f"tally/{n}", gate.hold, tenant="x")) for n in range(5)]
        await until(lambda: len(host.delivery.handling.running) >= 5)

        with pytest.raises(MailboxFull, match="tenant 'x'"):
            await house.asks("tally/more", Increment(), tenant="x")
        await house.asks("tally/more", Increment(), tenant="y")
        gate.open()
        await asyncio.gather(*slow)
        await house.asks("tally/more", Increment(), tenant="x")


async def test_higher_priorities_go_first_and_low_ones_do_not_starve(house: House) -> None:
    gate = Gate()
    await house.asks("tally/a", Log(word=""))
    first = asyncio.create_task(house.asks("tally/a", gate.hold))
    await running(house)
    low = [asyncio.create_task(house.asks("tally/a", Log(word="low"), priority="low")) for _ in range(5)]
    await asyncio.sleep(0)
    high = [asyncio.create_task(house.asks("tally/a", Log(word="high"), priority="critical")) for _ in range(15)]
    (host,) = house.hosts.values()
    await until(lambda: len(host.delivery.population.active[AgentAddress("tally", "a")].mailbox) == 21)

    gate.open()
    await asyncio.gather(first, *low, *high)

    reply = await house.asks("tally/a", Log(word="end"))
    assert isinstance(reply, Words)
    order = [word for word in reply.words if word in ("low", "high")]
    assert order[:3] == ["high"] * 3
    assert "low" in order[3:6]
    assert sorted(order) == ["high"] * 15 + ["low"] * 5


async def test_a_reminder_of_a_full_agent_ticks_when_there_is_room_again(house: House, database: Database) -> None:
    gate = Gate()
    await house.asks("tally/a", RemindMe(after_seconds=3600))
    await house.tells("tally/a", gate.hold)
    await asyncio.gather(*(house.tells("tally/a", Increment()) for _ in range(49)))
    (host,) = house.hosts.values()

    await database.pool.execute("UPDATE resprout.reminders SET due_at = now()")
    host.delivery.reminders_changed.set()
    await until(lambda: host.delivery.ticks.full)

    assert await database.pool.fetchval("SELECT count(*) FROM resprout.mailbox") == 50
    gate.open()
    await drained(database)
    await reaches(house, "tally/a", 51)


async def test_what_a_full_subscriber_misses_is_found_among_its_dead_letters(house: House, database: Database) -> None:
    gate = Gate()
    await house.asks("tally/a", Follow(topic="news"))
    await house.tells("tally/a", gate.hold)
    await asyncio.gather(*(house.tells("tally/a", Increment()) for _ in range(48)))

    for _ in range(3):
        await house.asks("tally/b", Announce(topic="news"))

    letters = await database.pool.fetch("SELECT kind, key, error FROM resprout.dead_letters")
    assert [(row["kind"], row["key"]) for row in letters] == [("tally", "a")] * 2
    assert "published to news" in letters[0]["error"]
    gate.open()
    await drained(database)
    await reaches(house, "tally/a", 50)
