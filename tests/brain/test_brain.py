"""The brain: one message in, one move out; the conversation is kept, and the model asked once for each decision."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from resprout.actors.brain import Begin, Begun, Compact, Compacted, Decide, Heard, Leave, Lines, Look, Move
from resprout.actors.brain.brain import NotYours
from resprout.actors.brain.compacting import NoSummary
from resprout.actors.brain.messages import Setting
from resprout.actors.brain.moves import THE_REST
from resprout.actors.brain.room import TooLittleRoom
from resprout.actors.errors import Unavailable
from resprout.actors.models import AnswerForm, FromTool, ModelBusy, PromptTooLong, Stop, ToolOffer, Usage
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


@pytest.mark.parametrize(("stop", "why"), [("length", "cut off after 5 tokens"), ("refused", "you were stopped")])
async def test_a_call_that_may_have_been_cut_off_is_not_made(
    house: House, mind: ScriptedMind, stop: Stop, why: str
) -> None:
    await house.asks("brain/a", begin())
    whole, empty, last = (use("text.count", "u1", text="x"), use("text.count", "u2"), use("text.count", "u3", text="y"))
    mind.will(says("", whole, empty, last, stop=stop), says("", empty, stop=stop))

    some = await moves(house, decide("1"))
    none = await moves(house, decide("2", Heard(use="u1", text="1")))

    assert (some.kind, [one.id for one in some.uses]) == ("use", ["u1"])
    assert (none.kind, none.uses) == ("again", ())
    told = [one for one in mind.asked[-1].messages if isinstance(one, FromTool)]
    assert [(one.use, one.failed) for one in told] == [("u2", True), ("u3", True), ("u1", False)]
    assert told[0].text.startswith("Your call of `text.count` was not made: you were ")
    assert why in told[0].text


async def test_an_answer_that_is_to_be_json_is_read_or_asked_for_again(house: House, mind: ScriptedMind) -> None:
    form = AnswerForm(shape={"type": "object"})
    await house.asks("brain/a", begin(answer=form, offers=()))
    mind.will(says('{"a": '), says('{"a": [1, 2]}'))

    first = await moves(house, decide("1"))
    second = await moves(house, decide("2"))

    assert (first.kind, second.kind, second.value) == ("again", "answer", {"a": [1, 2]})
    assert "not the JSON that was asked for" in texts(mind.asked[1])[-1]


async def test_an_answer_that_is_cut_off_goes_on_and_its_parts_are_joined(house: House, mind: ScriptedMind) -> None:
    await house.asks("brain/a", begin())
    mind.will(says("one, ", stop="length"), says("", stop="length"), says("two"), says("three"))

    made = [await moves(house, decide(step)) for step in "1234"]

    assert [move.kind for move in made] == ["more", "more", "answer", "answer"]
    assert (made[2].text, made[3].text) == ("one, two", "three")
    assert texts(mind.asked[1])[-2:] == ["one, ", THE_REST]


async def test_an_answer_that_has_no_end_is_told_as_half_of_one(house: House, mind: ScriptedMind) -> None:
    await house.asks("brain/a", begin())
    mind.will(*(says(f"{n}, ", stop="length") for n in range(5)))

    made = [await moves(house, decide(step)) for step in "12345"]

    assert [move.kind for move in made] == ["more", "more", "more", "half", "more"]
    assert made[3].text == "0, 1, 2, 3, "
    assert made[3].why == "its answer was cut off after 5 tokens, for the 4th time."


async def test_what_is_said_into_half_an_answer_is_answered_anew(house: House, mind: ScriptedMind) -> None:
    await house.asks("brain/a", begin())
    mind.will(says("red, ", stop="length"), says("blue"))

    await moves(house, decide("1"))
    move = await moves(house, decide("2", Heard(text="rather blue")))

    assert (move.kind, move.text) == ("answer", "blue")


@pytest.mark.parametrize("form", [None, AnswerForm(shape={"type": "object"})])
async def test_a_refusal_is_no_answer(house: House, mind: ScriptedMind, form: AnswerForm | None) -> None:
    await house.asks("brain/a", begin(answer=form))
    mind.will(says("I will not", stop="refused"))

    move = await moves(house, decide())

    assert (move.kind, move.why) == ("refused", "test/scripted refused to go on: 'I will not'")


async def test_a_number_that_may_have_lost_its_end_is_no_answer(house: House, mind: ScriptedMind) -> None:
    await house.asks("brain/a", begin(answer=AnswerForm(shape={})))
    mind.will(says("12", stop="length"), says('{"n": 12}', stop="length"))

    assert [(await moves(house, decide(step))).kind for step in "12"] == ["again", "answer"]


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


async def test_a_conversation_is_of_the_tenant_and_the_role_that_began_it(house: House, mind: ScriptedMind) -> None:
    rita = begin("run-1").model_copy(update={"role": "researcher"})
    await house.asks("brain/researcher.rita", rita, tenant="acme")
    await house.asks("brain/researcher.rita", Leave(run="run-1"), tenant="acme")

    for message in (begin("run-2").model_copy(update={"role": "researcher"}), Look()):
        with pytest.raises(NotYours, match="belongs to another tenant than 'other': name another key"):
            await house.asks("brain/researcher.rita", message, tenant="other")
    with pytest.raises(NotYours, match="is one of the role `researcher`, and this run has no role: name another key"):
        await house.asks("brain/researcher.rita", begin("run-2"), tenant="acme")

    again = rita.model_copy(update={"run": "run-2"})
    assert await house.asks("brain/researcher.rita", again, tenant="acme") == Begun()
    assert isinstance(await house.asks("brain/researcher.rita", Look(), tenant="acme"), Lines)


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

    await house.asks("brain/a", Leave(run="run-1", again=(heard,), step="2", heard=(Heard(text="hurry"),)))
    await house.asks("brain/a", begin("run-2", "and now?"))
    await moves(house, decide(run="run-2"))

    assert texts(mind.asked[-1]) == ["count the words", "", "7 words", "reply 2", "hurry", "and now?"]


@pytest.mark.parametrize("is_heard", [True, False])
async def test_what_was_said_into_a_turn_of_which_the_run_did_not_hear_is_said_once(
    house: House, mind: ScriptedMind, is_heard: bool
) -> None:
    await house.asks("brain/a", begin("run-1"))
    await moves(house, decide("1"))
    hurry = Heard(text="hurry")
    if is_heard:
        await moves(house, decide("2", hurry))  # cancelled meanwhile: the run does not hear of it

    await house.asks("brain/a", Leave(run="run-1", again=(hurry,), step="2"))
    await house.asks("brain/a", begin("run-2", "and now?"))
    await moves(house, decide(run="run-2"))

    assert texts(mind.asked[-1]).count("hurry") == 1


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


@pytest.mark.parametrize(
    ("text", "stop", "why"),
    [
        (" ", "length", "its 5 tokens were used up"),
        ("The user", "length", "its 5 tokens were used up"),
        ("I will not", "refused", "it refused"),
        ("", "end", "it said nothing"),
    ],
)
async def test_no_summary_takes_nothing_from_the_conversation(
    house: House, mind: ScriptedMind, text: str, stop: Stop, why: str
) -> None:
    mind.tokens = 2_000
    await house.asks("brain/a", begin(max_tokens=200, offers=()))
    await moves(house, decide("1", *(Heard(text=f"{n} {'x' * 600}") for n in range(12))))
    mind.will(says(text, stop=stop), says("a summary " * 30, stop="length"))

    with pytest.raises(NoSummary, match=f"{why}.* with another model"):
        await house.asks("brain/a", Compact(run="run-1", step="1c"))
    assert (await moves(house, decide("2"))).kind == "compact"
    short = await house.asks("brain/a", Compact(run="run-1", step="2c"))

    assert isinstance(short, Compacted)
    assert short.first == 2


async def test_tools_that_fill_the_window_are_no_conversation_that_grows(house: House, mind: ScriptedMind) -> None:
    offers = tuple(ToolOffer(name=f"t.t{n}", description="d" * 500, parameters={}) for n in range(18))
    mind.tokens = 8_192
    await house.asks("brain/a", begin(max_tokens=4_096, offers=offers))
    kinds: list[str] = []
    heard: tuple[Heard, ...] = ()
    for n in range(20):
        counted = Usage(input_tokens=3_300 + 20 * n, output_tokens=5)
        mind.will(says("", use("t.t1", f"u{n}")).model_copy(update={"usage": counted}))
        kinds.append((await moves(house, decide(f"{n}", *heard))).kind)
        heard = (Heard(use=f"u{n}", text="ok " * 250),)

    assert set(kinds) == {"use"}
    assert {request.max_tokens for request in mind.asked} == {2_048}  # a quarter of a small window


async def test_one_large_result_is_shown_to_a_small_window_as_far_as_it_fits(house: House, mind: ScriptedMind) -> None:
    mind.tokens = 8_192
    mind.will(says("", use("text.count", "u1"), use("text.count", "u2"), use("text.count", "u3")))
    await house.asks("brain/a", begin())
    await moves(house, decide("1", Heard(text="read them")))

    results = [Heard(use="u1", text="word " * 12_000), Heard(use="u2", text="7"), Heard(use="u3", text="ü" * 60_000)]
    move = await moves(house, decide("2", *results))

    assert move.kind == "answer"
    shown = [text.encode() for text in texts(mind.asked[-1])[-3:]]
    assert 3 * 2_000 < sum(map(len, shown)) < 3 * 0.41 * 6_144
    assert shown[1] == b"7"
    assert b"characters are left out here" in shown[0]
    assert shown[0].startswith(b"word word")
    lines = await house.asks("brain/a", Look())
    assert isinstance(lines, Lines)
    assert max(len(line.text) for line in lines.lines) == 60_000


async def test_a_run_whose_tools_leave_no_room_to_talk_is_refused_as_it_begins(
    house: House, mind: ScriptedMind
) -> None:
    offers = tuple(ToolOffer(name=f"t.t{n}", description="d" * 500, parameters={}) for n in range(40))
    mind.tokens = 8_192

    with pytest.raises(TooLittleRoom, match=r"about 7,.* and 40 tools, which leaves too few .* Give it fewer tools"):
        await house.asks("brain/a", begin(offers=offers))
    assert await house.asks("brain/a", begin("run-2")) == Begun()


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
