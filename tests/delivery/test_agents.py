"""What a developer may rely on, with hosts in this process and a real Postgres."""

import asyncio
from typing import cast
from uuid import uuid4

import pytest
from resprout.actors.address import AgentAddress
from resprout.actors.agent import Agent, on
from resprout.actors.errors import (
    AgentFailed,
    Busy,
    CallCycle,
    DeadlinePassed,
    IdTaken,
    MailboxFull,
    Rejected,
    UnknownKind,
)
from resprout.actors.ids import new_id
from resprout.actors.limits import Limits
from resprout.actors.message import Message
from resprout.memory.database import Database
from resprout.memory.store import PostgresStore
from support.counting import (
    Announce,
    AskOther,
    Count,
    Fail,
    Follow,
    Forget,
    Gate,
    Increment,
    Log,
    Misbehave,
    Pass,
    RemindMe,
    Slow,
    TellAndPublish,
    TellThenAsk,
    Words,
)
from support.house import HostHere, House, envelope, hosts
from support.waiting import count_of, reaches, until, until_found, working


async def test_an_ask_is_answered_and_counted(house: House) -> None:
    assert await house.asks("tally/a", Increment(by=2)) == Count(count=2)
    assert await house.asks("tally/a", Increment(by=3)) == Count(count=5)


async def test_a_message_that_comes_again_gets_the_stored_reply(house: House) -> None:
    message = uuid4()

    assert await house.asks("tally/a", Increment(), message_id=message) == Count(count=1)
    assert await house.asks("tally/a", Increment(), message_id=message) == Count(count=1)
    assert await house.asks("tally/a", Increment(), message_id=message, attempt=1) == Count(count=1)
    assert await count_of(house, "tally/a") == 1


@pytest.mark.parametrize("agent", ["tally/a", "flash/a"])
@pytest.mark.parametrize("other", [Increment(by=2), Log(word="by")], ids=["other fields", "another type"])
@pytest.mark.parametrize("attempt", [1, 2])
async def test_another_message_under_an_id_that_was_handled_is_refused(
    house: House, agent: str, other: Message, attempt: int
) -> None:
    message = uuid4()
    await house.asks(agent, Increment(), message_id=message)

    if agent == "tally/a" or attempt == 2:  # what is ephemeral is remembered for those who say that they ask again
        with pytest.raises(IdTaken, match=f"the id {message} names a `test.increment` that {agent} was sent before"):
            await house.asks(agent, other, message_id=message, attempt=attempt)

    assert await house.asks(agent, Increment(), message_id=message) == Count(count=1)
    if agent == "tally/a":
        with pytest.raises(IdTaken):
            await house.tells(agent, other, message_id=message)


async def test_another_message_under_an_id_that_waits_is_refused(house: House) -> None:
    message = uuid4()
    first = asyncio.create_task(house.asks("tally/a", Increment(think_seconds=0.5), message_id=message))
    (host,) = house.hosts.values()
    await working(host)

    with pytest.raises(IdTaken, match=r"names a `test\.increment` .*, not this `test\.log`"):
        await house.asks("tally/a", Log(word="by"), message_id=message)

    assert await first == Count(count=1)


async def test_what_a_turn_or_a_run_sends_may_come_out_otherwise_when_it_is_done_again(house: House) -> None:
    message = uuid4()

    for by, more in ((1, {"causation": uuid4()}), (2, {"causation": uuid4()}), (3, {"run": "mine"})):
        assert await house.asks("tally/a", Increment(by=by), message_id=message, **more) == Count(count=1)


async def test_newer_code_may_say_the_same_in_another_version(house: House) -> None:
    message = uuid4()
    await house.asks("tally/a", Increment(), message_id=message)

    again = envelope("tally/a", Increment(), "ask", message, version=2, body='{"amount": 1}')

    assert (await house.caller.ask(again)).body == '{"count": 1}'


async def test_what_is_told_is_handled_once(house: House) -> None:
    message = uuid4()

    for _ in range(3):
        await house.tells("tally/a", Increment(), message_id=message)
    await house.tells("tally/a", Increment(), message_id=message, attempt=1)

    await reaches(house, "tally/a", 1)


async def test_many_agents_at_once(house: House) -> None:
    replies = await asyncio.gather(*(house.asks(f"tally/{n % 50}", Increment()) for n in range(1000)))

    assert sorted(reply.count for reply in replies if isinstance(reply, Count)) == sorted([*range(1, 21)] * 50)


async def test_a_turn_tells_with_its_commit(house: House) -> None:
    await house.asks("tally/a", Pass(to="tally/b", times=10))

    await reaches(house, "tally/b", 10)


async def test_an_agent_asks_another(house: House) -> None:
    assert await house.asks("tally/a", AskOther(to="tally/b")) == Count(count=1)


async def test_a_call_cycle_fails_at_once_and_names_the_cycle(house: House) -> None:
    with pytest.raises(CallCycle, match="circle/a → circle/b → circle/a"):
        await house.asks("circle/a", AskOther(to="circle/b"))


async def test_a_failing_ask_leaves_the_state_as_before(house: House) -> None:
    with pytest.raises(AgentFailed, match="as asked"):
        await house.asks("tally/a", Fail())

    assert await count_of(house, "tally/a") == 0


@pytest.mark.parametrize(("how", "says"), [("exit", "SystemExit: 3"), ("cancel", "was cancelled")])
async def test_a_handler_that_would_end_its_host_fails_alone(house: House, how: str, says: str) -> None:
    with pytest.raises(AgentFailed, match=f"unruly/a failed .*{says}.*Its state is as before"):
        await house.asks("unruly/a", Misbehave(how=how))

    assert await house.asks("unruly/a", Increment()) == Count(count=1)


async def test_an_agent_that_cannot_come_into_memory_says_why(house: House) -> None:
    for _ in range(2):
        with pytest.raises(AgentFailed, match="lame/a cannot come into memory: ValueError: as written"):
            await house.asks("lame/a", Increment())


async def test_an_ask_does_not_overtake_what_was_told_although_the_host_has_no_room_for_it(database: Database) -> None:
    async with hosts(PostgresStore(database), limits=Limits(mail_in_memory=10)) as (house, _):
        for _ in range(5):
            await asyncio.gather(*(house.tells(f"tally/{n}", Increment(think_seconds=0.01)) for n in range(8)))

        counts = await asyncio.gather(*(house.asks(f"tally/{n}", Increment(by=0)) for n in range(8)))

    assert counts == [Count(count=5)] * 8


async def test_an_agents_ask_does_not_overtake_what_it_told_in_an_earlier_turn(house: House) -> None:
    for n in range(1, 20):
        await house.asks("teller/a", TellThenAsk(to="tally/a", times=2))
        assert await house.asks("teller/a", TellThenAsk(to="tally/a", times=0, ask=True)) == Count(count=2 * n)


async def test_who_asks_again_hears_the_answer_although_the_agent_is_busy(house: House) -> None:
    message = uuid4()
    assert await house.asks("picky/a", Increment(), message_id=message) == Count(count=1)
    gate = Gate()
    busy = asyncio.create_task(house.asks("picky/a", gate.hold))
    (host,) = house.hosts.values()
    await working(host)

    assert await house.asks("picky/a", Increment(), message_id=message) == Count(count=1)
    with pytest.raises(Busy):
        await house.asks("picky/a", Increment(), message_id=uuid4())
    gate.open()
    assert await busy == Count(count=2)


async def test_who_tells_again_hears_that_it_was_accepted_although_the_mailbox_is_full(house: House) -> None:
    gate = Gate()
    await house.asks("tally/a", Increment(by=0))
    message = await house.tells("tally/a", gate.hold)
    told = [await house.tells("tally/a", Increment()) for _ in range(49)]

    await house.tells("tally/a", Increment(), message_id=told[-1])
    await house.tells("tally/a", gate.hold, message_id=message)
    with pytest.raises(MailboxFull):
        await house.tells("tally/a", Increment(), message_id=uuid4())

    gate.open()
    (host,) = house.hosts.values()
    await until(lambda: not host.delivery.backlog.mail)
    assert await count_of(house, "tally/a") == 50


async def test_a_poisonous_message_is_buried_and_the_next_one_is_handled(house: House, database: Database) -> None:
    message = await house.tells("tally/a", Fail())
    await house.tells("tally/a", Increment())

    await reaches(house, "tally/a", 1)

    row = await until_found(lambda: database.pool.fetchrow("SELECT * FROM resprout.dead_letters"))
    assert (row["message_id"], row["attempts"]) == (message, 3)
    assert "as asked" in row["error"]


async def test_one_senders_messages_are_handled_in_order(house: House) -> None:
    for n in range(40):
        await house.tells("tally/a", Log(word=str(n)), sender="me")

    async with asyncio.timeout(20):
        while True:
            reply = await house.asks("tally/a", Log(word="end"))
            assert isinstance(reply, Words)
            told = [word for word in reply.words if word != "end"]
            if len(told) == 40:
                break
    assert told == [str(n) for n in range(40)]


async def test_topics_reach_their_subscribers(house: House) -> None:
    for name in "abc":
        await house.asks(f"tally/{name}", Follow(topic="news"))
    await house.asks("tally/speaker", Announce(topic="news"))

    for name in "abc":
        await reaches(house, f"tally/{name}", 1)


async def test_what_a_turn_tells_and_publishes_to_an_agent_arrives_in_order(house: House) -> None:
    words = tuple(str(n) for n in range(7))
    await house.asks("tally/b", Follow(topic="news"))

    await house.asks("tally/a", TellAndPublish(to="tally/b", topic="news", words=words))

    async def logged() -> tuple[str, ...]:
        reply = cast("Words", await house.asks("tally/b", Log(word="")))
        return tuple(word for word in reply.words if word)

    assert await until_found(logged, lambda found: len(found) >= len(words)) == words


async def test_a_reminder_fires_once(house: House) -> None:
    await house.asks("tally/a", RemindMe(after_seconds=0.1))

    await reaches(house, "tally/a", 1)


async def test_a_busy_agent_rejects_what_does_not_wait(house: House) -> None:
    first = asyncio.create_task(house.asks("picky/a", Increment(think_seconds=0.5)))
    (host,) = house.hosts.values()
    await working(host)

    with pytest.raises(Busy):
        await house.asks("picky/a", Increment())
    assert await first == Count(count=1)


async def test_equal_messages_in_flight_share_a_turn(house: House) -> None:
    replies = await asyncio.gather(*(house.asks("picky/a", Slow(seconds=0.2)) for _ in range(5)))

    assert replies == [Count(count=1)] * 5


async def test_a_handled_message_that_joins_a_turn_again_gets_its_own_reply(house: House) -> None:
    (host,) = house.hosts.values()
    handled = new_id()
    await house.asks("picky/a", Slow(seconds=0.1), message_id=handled)
    first = asyncio.create_task(house.asks("picky/a", Slow(seconds=0.1)))
    await working(host)

    again = house.asks("picky/a", Slow(seconds=0.1), message_id=handled)

    replies = await asyncio.wait_for(asyncio.gather(first, again), 10)
    assert [*replies] == [Count(count=2), Count(count=1)]


async def test_a_full_mailbox_refuses(house: House) -> None:
    await house.tells("tally/a", Increment(think_seconds=1))

    with pytest.raises(MailboxFull, match=r"tally/a.*50"):
        await asyncio.gather(*(house.tells("tally/a", Increment()) for _ in range(60)))


async def test_an_ephemeral_agent_counts_without_the_store(house: House, database: Database) -> None:
    message = uuid4()

    assert await house.asks("flash/a", Increment(), message_id=message) == Count(count=1)
    assert await house.asks("flash/a", Increment(), message_id=message) == Count(count=1)
    assert await house.asks("flash/a", Increment()) == Count(count=2)
    assert await database.pool.fetchval("SELECT count(*) FROM resprout.agents WHERE kind = 'flash'") == 0


async def test_an_ephemeral_agent_whose_tell_is_refused_stays_as_it_was(house: House) -> None:
    await house.asks("flash/a", Increment(by=5))

    with pytest.raises(UnknownKind, match="nobody"):
        await house.asks("flash/a", Pass(to="nobody/x"))

    assert await house.asks("flash/a", Pass(to="tally/x")) == Count(count=6)
    await reaches(house, "tally/x", 1)


@pytest.mark.parametrize("wish", [Follow(topic="t"), Announce(topic="t"), RemindMe(), Forget()])
async def test_an_ephemeral_agent_is_refused_what_only_a_commit_could_do(house: House, wish: Message) -> None:
    with pytest.raises(Rejected, match="flash/a is ephemeral and cannot"):
        await house.asks("flash/a", wish)


async def test_agents_live_on_when_their_host_is_killed(database: Database) -> None:
    async with hosts(PostgresStore(database), PostgresStore(database)) as (house, (first, second)):
        await asyncio.gather(*(house.asks(f"tally/{n}", Increment()) for n in range(40)))
        await asyncio.gather(*(house.tells(f"tally/{n}", Increment(think_seconds=0.2)) for n in range(40)))
        await wait_balanced(first, second)
        await first.kill()

        replies = await asyncio.gather(*(house.asks(f"tally/{n}", Increment()) for n in range(40)))

        assert {reply.count for reply in replies if isinstance(reply, Count)} == {3}


async def test_a_drained_host_hands_its_agents_over_without_a_failed_message(database: Database) -> None:
    async with hosts(PostgresStore(database), PostgresStore(database)) as (house, (first, second)):
        await wait_balanced(first, second)
        work = [asyncio.create_task(work_on(house, n)) for n in range(20)]
        await asyncio.sleep(0.3)

        await first.drain()

        assert await asyncio.gather(*work) == [30] * 20


async def work_on(house: House, n: int) -> int:
    for _ in range(30):
        reply = await house.asks(f"tally/{n}", Increment(think_seconds=0.01))
    assert isinstance(reply, Count)
    return reply.count


async def wait_balanced(*here: HostHere) -> None:
    await until(lambda: {len(host.delivery.holdings) for host in here} == {128 // len(here)})


class Num(Message, name="test.num"):
    value: int


class Forgetful(Agent, kind="forgetful"):
    """Its handlers do not do what their annotations say."""

    turns: int = 0

    @on
    async def answer(self, message: Increment) -> Num:
        self.turns += 1
        return None  # type: ignore[return-value]

    @on
    async def look(self, message: Pass) -> Num:
        return Count(count=1)  # type: ignore[return-value]

    @on
    async def count(self, message: Log) -> Num:
        return 5  # type: ignore[return-value]

    @on
    async def note(self, message: Fail) -> None:
        return Num(value=1)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (Increment(), "Forgetful.answer of forgetful/a must return a Num, and returned None"),
        (Pass(to=""), "Forgetful.look of forgetful/a must return a Num, and returned a Count"),
        (Log(word=""), "Forgetful.count of forgetful/a must return a Num, and returned an int"),
        (Fail(), "Forgetful.note of forgetful/a must return None, and returned a Num"),
    ],
)
async def test_a_reply_that_is_not_what_the_handler_says_fails_the_turn(
    house: House, database: Database, message: Message, sentence: str
) -> None:
    with pytest.raises(AgentFailed, match=sentence):
        await house.asks("forgetful/a", message)

    assert await database.pool.fetchval("SELECT count(*) FROM resprout.agents") == 0


async def test_an_ask_that_is_taken_back_leaves_its_turn_and_the_next_one_is_handled(house: House) -> None:
    message, waiting = uuid4(), uuid4()
    asked = [
        asyncio.create_task(house.asks("tally/a", Increment(think_seconds=60), message_id=one, seconds=100))
        for one in (message, waiting)
    ]
    (host,) = house.hosts.values()
    await until(
        lambda: (
            host.delivery.handling.running
            and len(host.delivery.population.active[AgentAddress("tally", "a")].mailbox) >= 2
        )
    )

    for one in (waiting, message):
        house.caller.cancel(envelope("tally/a", Increment(), "ask", one))

    assert await house.asks("tally/a", Increment()) == Count(count=1)
    for task in asked:
        with pytest.raises(DeadlinePassed):
            await task
