"""The brain: one message in, one move out; the conversation is kept, and the model asked once for each decision."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from resprout.actors.brain import Begin, Begun, Compact, Compacted, Decide, Heard, Leave, Lines, Look, Move
from resprout.actors.brain.brain import NotYours
from resprout.actors.brain.messages import Setting
from resprout.actors.errors import Unavailable
from resprout.actors.models import AnswerForm, FromTool, ModelBusy, PromptTooLong, ToolOffer
from resprout.memory.database import Database
from resprout.memory.store import PostgresStore
from support.house import House, hosts
from support.minds import ScriptedMind, roles, says, texts, use
from support.waiting import until

COUNT = ToolOffer(name="text.count", description="counts", parameters={"type": "object"})


def begin(run: str = "run-1", goal: str = "count the words", **setting: Any) -> Begin:
    return Begin(run=run, goal=goal, setting=Setting(**{"model": "test/scripted", "offers": (COUNT,), **setting}))


def decide(step: str = "1", *heard: Heard, run: str = "run-1") -> Decide:
    return Decide(run=run, step=step, heard=heard)


async def moves(house: House, message: Decide, **more: Any) -> Move:
    move = await house.asks("brain/a", message, **more)
    assert isinstance(move, Move)
    return move


async def test_a_goal_a_tool_and_an_answer(house: House, mind: ScriptedMind) -> None:
    mind.will(says("let me count", use("text.count", text="one two")), says("two"))

    await house.asks("brain/a", begin(system="You count."))
    first = await moves(house, decide("1"))
    second = await moves(house, decide("2", Heard(use="u1", text='{"words": 2}')))

    assert (first.kind, [one.name for one in first.uses], first.text) == ("use", ["text.count"], "let me count")
    assert (second.kind, second.text, second.usage.tokens, second.cost_nanos) == ("answer", "two", 15, 1_000)
    request, account = mind.asked[1], mind.asked[1].account
    assert account is not None
    assert (request.system, roles(request.messages)) == ("You count.", ["user", "assistant", "tool"])
    assert (account.run, account.agent, account.step) == ("run-1", "brain/a", "2")


async def test_a_decision_that_is_asked_again_costs_nothing(house: House, mind: ScriptedMind) -> None:
    await house.asks("brain/a", begin())
    message = uuid4()

    once = await moves(house, decide(), message_id=message)
    again = await moves(house, decide(), message_id=message)

    assert once == again
    assert len(mind.asked) == 1


async def test_the_conversation_outlives_its_host(database: Database, mind: ScriptedMind) -> None:
    async with hosts(PostgresStore(database)) as (house, _):
        await house.asks("brain/a", begin())
        mind.will(says("", use("text.count")))
        await moves(house, decide("1"))
    async with hosts(PostgresStore(database)) as (house, _):
        await moves(house, decide("2", Heard(use="u1", text="7")))

    assert roles(mind.asked[-1].messages) == ["user", "assistant", "tool"]
    assert texts(mind.asked[-1]) == ["count the words", "", "7"]


async def test_what_cannot_be_called_is_told_to_the_model_at_once(house: House, mind: ScriptedMind) -> None:
    await house.asks("brain/a", begin())
    wrong = use("text.count", "u2").model_copy(update={"malformed": '{"text": '})
    mind.will(says("", use("no.such", "u1"), wrong, use("text.count", "u3", text="x")), says("", use("no.such", "u4")))

    some = await moves(house, decide("1"))
    none = await moves(house, decide("2", Heard(use="u3", text="1")))
    await moves(house, decide("3"))

    assert (some.kind, [one.id for one in some.uses]) == ("use", ["u3"])
    assert none.kind == "again"
    told = [one for one in mind.asked[-1].messages if isinstance(one, FromTool)]
    assert [(one.use, one.failed) for one in told] == [("u1", True), ("u2", True), ("u3", False), ("u4", True)]
    assert "There is no tool `no.such` here. There are: text.count." in told[0].text
    assert "are no JSON object" in told[1].text


async def test_an_answer_that_is_to_be_json_is_read_or_asked_for_again(house: House, mind: ScriptedMind) -> None:
    form = AnswerForm(shape={"type": "object"})
    await house.asks("brain/a", begin(answer=form, offers=()))
    mind.will(says('{"a": '), says('{"a": [1, 2]}'))

    first = await moves(house, decide("1"))
    second = await moves(house, decide("2"))

    assert (first.kind, second.kind, second.value) == ("again", "answer", {"a": [1, 2]})
    assert "not the JSON that was asked for" in texts(mind.asked[1])[-1]


async def test_two_runs_in_one_conversation_do_not_mix(house: House, mind: ScriptedMind) -> None:
    assert await house.asks("brain/a", begin("run-1")) == Begun()
    assert await house.asks("brain/a", begin("run-2")) == Begun(taken_by="run-1")
    with pytest.raises(NotYours, match="belongs to the run run-1 now, not to run-2"):
        await house.asks("brain/a", decide(run="run-2"))

    await house.asks("brain/a", Leave(run="run-2"))  # which does not have it
    assert await house.asks("brain/a", begin("run-2")) == Begun(taken_by="run-1")
    await house.asks("brain/a", Leave(run="run-1"))
    assert await house.asks("brain/a", begin("run-2", "and now?")) == Begun()
    await moves(house, decide(run="run-2"))

    assert texts(mind.asked[-1]) == ["count the words", "and now?"]


async def test_a_run_that_is_known_to_be_over_makes_way_and_leaves_no_use_unanswered(
    house: House, mind: ScriptedMind
) -> None:
    await house.asks("brain/a", begin("run-1"))
    mind.will(says("", use("text.count", "u1"), use("text.count", "u2")))
    await moves(house, decide())

    taken = begin("run-2", "go on").model_copy(update={"instead_of": "run-1"})
    assert await house.asks("brain/a", taken) == Begun()
    await moves(house, decide(run="run-2"))

    messages = mind.asked[-1].messages
    assert roles(messages) == ["user", "assistant", "tool", "tool", "user"]
    assert all(one.failed for one in messages if isinstance(one, FromTool))


async def test_what_came_of_the_last_move_is_there_for_the_run_that_goes_on(house: House, mind: ScriptedMind) -> None:
    await house.asks("brain/a", begin("run-1"))
    mind.will(says("", use("text.count", "u1")))
    await moves(house, decide())

    await house.asks("brain/a", Leave(run="run-1", heard=(Heard(use="u1", text="7 words"),)))
    await house.asks("brain/a", begin("run-2", ""))
    await moves(house, decide(run="run-2"))

    assert texts(mind.asked[-1]) == ["count the words", "", "7 words", "Go on with what was not finished."]


async def test_what_a_run_tells_as_it_leaves_is_heard_once(house: House, mind: ScriptedMind) -> None:
    await house.asks("brain/a", begin("run-1"))
    mind.will(says("", use("text.count", "u1")))
    await moves(house, decide("1"))
    heard = Heard(use="u1", text="7 words")
    await moves(house, decide("2", heard))  # the run does not hear of it

    await house.asks("brain/a", Leave(run="run-1", heard=(heard, Heard(text="hurry"))))
    await house.asks("brain/a", begin("run-2", "and now?"))
    await moves(house, decide(run="run-2"))

    assert texts(mind.asked[-1]) == ["count the words", "", "7 words", "reply 2", "hurry", "and now?"]


async def test_a_provider_without_room_is_no_decision(house: House, mind: ScriptedMind) -> None:
    await house.asks("brain/a", begin())
    mind.will(ModelBusy("no room for test/scripted: try again in 3 s."), says("done"))
    message = uuid4()

    with pytest.raises(Unavailable):
        await moves(house, decide("1", Heard(text="hurry")), message_id=message)
    await moves(house, decide("1", Heard(text="hurry")), message_id=message)

    assert texts(mind.asked[-1]) == ["count the words", "hurry"]  # said once


async def test_a_conversation_that_fills_the_window_is_shortened_and_its_originals_kept(
    house: House, mind: ScriptedMind
) -> None:
    mind.tokens = 2_000
    await house.asks("brain/a", begin(max_tokens=200, offers=()))
    heard = [Heard(text=f"{n} {'x' * 600}") for n in range(12)]

    full = await moves(house, decide("1", *heard))
    mind.will(says("the summary"), says("the answer"))
    short = await house.asks("brain/a", Compact(run="run-1", step="1c"))
    move = await moves(house, decide("2"))

    assert full.kind == "compact"
    assert isinstance(short, Compacted)
    assert (short.first, move.text) == (2, "the answer")
    shown = texts(mind.asked[-1])
    assert shown[0].startswith("count the words\n\nWhat was done and found before")
    assert "the summary" in shown[0]
    assert shown[-1].startswith("11 ")
    assert len(shown) < 12
    lines = await house.asks("brain/a", Look(most=100))
    assert isinstance(lines, Lines)
    assert [line.role for line in lines.lines] == ["setting", *["user"] * 13, "summary", "assistant"]


async def test_a_prompt_that_the_provider_finds_too_long_is_shortened_too(house: House, mind: ScriptedMind) -> None:
    await house.asks("brain/a", begin(offers=()))
    mind.tokens = 1_000
    mind.will(PromptTooLong("too long"))
    heard = [Heard(text=f"{n} {'x' * 50}") for n in range(12)]

    move = await moves(house, decide("1", *heard))

    assert (move.kind, "too long" in move.why or "window" in move.why) == ("compact", True)


async def test_a_conversation_that_cannot_be_shortened_is_said_to_be_too_long(house: House, mind: ScriptedMind) -> None:
    await house.asks("brain/a", begin(offers=()))
    mind.will(PromptTooLong("one message alone is too long"))

    with pytest.raises(PromptTooLong):
        await moves(house, decide())


async def test_a_summary_stays_when_the_host_goes(database: Database, mind: ScriptedMind) -> None:
    mind.tokens = 2_000
    async with hosts(PostgresStore(database)) as (house, _):
        await house.asks("brain/a", begin(max_tokens=200, offers=()))
        await moves(house, decide("1", *(Heard(text=f"{n} {'x' * 600}") for n in range(12))))
        mind.will(says("the summary"))
        await house.asks("brain/a", Compact(run="run-1", step="1c"))
        await moves(house, decide("2"))
    async with hosts(PostgresStore(database)) as (house, _):
        await moves(house, decide("3", Heard(text="and?")))

    before, after = texts(mind.asked[-2]), texts(mind.asked[-1])
    assert after[: len(before)] == before
    assert after[-1] == "and?"


async def test_what_no_store_can_keep_is_written_out(house: House, mind: ScriptedMind) -> None:
    await house.asks("brain/a", begin())
    mind.will(says("a\0b", use("text.count", text="\0")))

    move = await moves(house, decide())

    assert (move.text, move.uses[0].arguments) == ("a\\0b", {"text": "\\0"})


async def test_while_one_brain_thinks_others_do(house: House, mind: ScriptedMind) -> None:
    mind.hold = asyncio.Event()
    for key in "abc":
        await house.asks(f"brain/{key}", begin(f"run-{key}"))

    thinking = [asyncio.create_task(house.asks(f"brain/{key}", decide(run=f"run-{key}"))) for key in "abc"]
    await until(lambda: len(mind.asked) == 3)
    mind.hold.set()

    assert [type(one) for one in await asyncio.gather(*thinking)] == [Move] * 3
