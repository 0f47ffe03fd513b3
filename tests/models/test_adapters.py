"""One contract for all protocols: what a model says comes through alike, whoever carries it."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from resprout.activities.models.tool_names import spelled
from resprout.actors.models import AnswerForm, FromModel, FromTool, FromUser, ToolUse, Usage, complete
from support.model_server import Turn, Use
from support.speakers import PROTOCOLS, Speaker, heard, speaking, tool

Speaks = Callable[..., AbstractAsyncContextManager[Speaker]]
LONG = "a.tool." + "with_a_very_long_name" * 8
ZERO = Turn(text="five", input_tokens=0, output_tokens=0)
SHAPE = {
    "type": "object",
    "properties": {"hour": {"type": "integer"}},
    "required": ["hour"],
    "additionalProperties": False,
}


@pytest.fixture(params=PROTOCOLS, ids=lambda protocol: protocol.name)
def speaks(request: pytest.FixtureRequest) -> Speaks:
    return lambda *turns, **others: speaking(request.param, *turns, **others)


async def test_text_comes_in_pieces_and_whole(speaks: Speaks) -> None:
    async with speaks(Turn(text="It is five o'clock – or später.")) as speaker:
        pieces, reply = await heard(speaker.model.stream(speaker.request()))

    assert len(pieces) > 2
    assert "".join(pieces) == reply.message.text == "It is five o'clock – or später."
    assert (reply.stop, reply.message.uses) == ("end", ())
    assert reply.model == f"{speaker.protocol.provider}/able-1"
    assert reply.version.startswith("able-1-2026")
    assert speaker.asked["model"] == "able-1"
    assert speaker.server.calls == 1


async def test_usage_counts_all_that_was_read_with_what_came_from_the_cache(speaks: Speaks) -> None:
    turn = Turn(text="five", input_tokens=1000, cached_tokens=700, written_tokens=200, output_tokens=9)
    async with speaks(turn) as speaker:
        reply = await complete(speaker.model, speaker.request())

    assert reply.usage == Usage(input_tokens=1000, cached_tokens=700, written_tokens=200, output_tokens=9)


async def test_what_nobody_counted_does_not_look_as_if_it_had_been(speaks: Speaks) -> None:
    async with speaks(Turn(text="x" * 40, counts=False), ZERO, Turn(text="five")) as speaker:
        untold = await complete(speaker.model, speaker.request("y" * 400))
        zero = await complete(speaker.model, speaker.request())
        told = await complete(speaker.model, speaker.request())

    assert (untold.counted, zero.counted, told.counted) == (False, False, True)
    assert 100 <= untold.usage.input_tokens <= 130
    assert untold.usage.output_tokens == 11


async def test_several_tools_are_used_at_once_and_their_fragments_do_not_mix(speaks: Speaks) -> None:
    uses = (Use("text.count", {"text": "one, two, three"}), Use("web.fetch_page", {"text": "x" * 40}), Use("plain"))
    async with speaks(Turn(text="Let me see.", uses=uses)) as speaker:
        offers = [tool(use.name) for use in uses]
        _, reply = await heard(speaker.model.stream(speaker.request(tools=offers)))

    assert [(use.name, use.arguments) for use in reply.message.uses] == [
        ("text.count", {"text": "one, two, three"}),
        ("web.fetch_page", {"text": "x" * 40}),
        ("plain", {}),
    ]
    assert len({use.id for use in reply.message.uses}) == 3
    assert (reply.stop, reply.message.text) == ("tools", "Let me see.")


async def test_a_tool_is_known_again_by_its_name_however_long_it_is(speaks: Speaks) -> None:
    async with speaks(Turn(uses=(Use(spelled(LONG)),))) as speaker:
        reply = await complete(speaker.model, speaker.request(tools=[tool(LONG), tool("text.count@1.2")]))

    names = [(one.get("function") or one)["name"] for one in speaker.asked["tools"]]
    assert all(len(name) <= 64 and name.replace("-", "").replace("_", "").isalnum() for name in names)
    assert reply.message.uses[0].name == LONG


@pytest.mark.parametrize("written", ['{"text": "never en', "[1, 2]", "five", '{"n": NaN}'])
async def test_arguments_that_are_no_object_are_handed_on_and_not_an_error(speaks: Speaks, written: str) -> None:
    async with speaks(Turn(uses=(Use("text.count", written),))) as speaker:
        reply = await complete(speaker.model, speaker.request(tools=[tool("text.count")]))

    (use,) = reply.message.uses
    assert (use.name, use.arguments, use.malformed) == ("text.count", {}, written)


@pytest.mark.parametrize("stop", ["length", "refused"])
async def test_why_it_stopped_is_told(speaks: Speaks, stop: str) -> None:
    async with speaks(Turn(text="I would rather not", stop=stop)) as speaker:
        pieces, reply = await heard(speaker.model.stream(speaker.request()))

    assert (reply.stop, reply.message.text) == (stop, "I would rather not")
    assert "".join(pieces) == "I would rather not"


@pytest.mark.parametrize("stop", ["length", "refused"])
@pytest.mark.parametrize("written", ['{"text": "o', ""], ids=["within its arguments", "before them"])
async def test_what_was_cut_off_is_no_use_of_a_tool(speaks: Speaks, stop: str, written: str) -> None:
    uses = (Use("text.clear", {}), Use("text.count", written))
    async with speaks(Turn(text="I rather", uses=uses, stop=stop)) as speaker:
        reply = await complete(speaker.model, speaker.request(tools=[tool(use.name) for use in uses]))

    assert reply.stop == stop
    assert [use.malformed for use in reply.message.uses] == [None, written]


async def test_a_tool_that_takes_nothing_may_be_used_with_nothing(speaks: Speaks) -> None:
    async with speaks(Turn(uses=(Use("text.clear", ""),))) as speaker:
        reply = await complete(speaker.model, speaker.request(tools=[tool("text.clear")]))

    (use,) = reply.message.uses
    assert (use.arguments, use.malformed, reply.stop) == ({}, None, "tools")


async def test_an_answer_in_a_form_is_asked_for_with_its_schema(speaks: Speaks) -> None:
    async with speaks(Turn(text='{"hour": 5}')) as speaker:
        reply = await complete(speaker.model, speaker.request(answer=AnswerForm(name="time", shape=SHAPE)))

    assert json.loads(reply.message.text) == {"hour": 5}
    assert json.dumps(SHAPE["properties"]) in json.dumps(speaker.asked)
    if speaker.protocol.provider == "openai":
        form = speaker.asked.get("response_format", {}).get("json_schema") or speaker.asked["text"]["format"]
        assert (form["name"], form["strict"]) == ("time", True)


async def test_a_conversation_goes_out_with_the_answers_of_tools_first(speaks: Speaks) -> None:
    use = ToolUse(id="call_7", name="text.count", arguments={"text": "a"})
    broken = ToolUse(id="call_8", name="text.count", malformed="{")
    messages = [
        FromUser(text="Count."),
        FromModel(text="I count.", uses=(use, broken)),
        FromUser(text="Hurry!"),
        FromTool(use="call_7", text="1"),
        FromTool(use="call_8", text="no JSON", failed=True),
    ]
    async with speaks(Turn(text="One.")) as speaker:
        await complete(
            speaker.model, speaker.request(messages=messages, system="Be brief.", tools=[tool("text.count")])
        )

    said = json.dumps(speaker.asked)
    places = [said.index(word) for word in ("I count.", '"call_7"', "no JSON", "Hurry!")]
    assert places == sorted(places)
    assert "Be brief." in said
    assert said.count("text__count") == 3
    assert speaker.protocol.dialect.position(speaker.asked) == 1


@pytest.mark.parametrize(("choice", "words"), [("required", ("required", "any")), ("none", ("none",))])
async def test_whether_a_tool_must_be_used_is_told(speaks: Speaks, choice: str, words: tuple[str, ...]) -> None:
    async with speaks(Turn(text="five")) as speaker:
        await complete(speaker.model, speaker.request(tools=[tool("text.count")], choice=choice))

    asked = speaker.asked["tool_choice"]
    assert (asked["type"] if isinstance(asked, dict) else asked) in words


async def test_a_thought_goes_back_to_whom_it_came_from_and_to_nobody_else() -> None:
    _, responses, anthropic = PROTOCOLS
    use = Use("text.count", {"text": "a"})
    offers = [tool("text.count")]
    for protocol, other, sealed in ((responses, anthropic, "sealed"), (anthropic, responses, "signed")):
        turns = Turn(text="I count.", uses=(use,), thought="How long?"), Turn(text="One.")
        async with speaking(protocol, *turns) as speaker, speaking(other, turns[1]) as stranger:
            first = await complete(speaker.model, speaker.request(tools=offers))
            answer = FromTool(use=first.message.uses[0].id, text="1")
            messages = [FromUser(text="Count."), first.message, answer]
            await complete(speaker.model, speaker.request(messages=messages, tools=offers))
            await complete(stranger.model, stranger.request(messages=messages, tools=offers))
            cut = first.message.model_copy(update={"uses": ()})
            await complete(speaker.model, speaker.request(messages=[messages[0], cut, FromUser(text="Go on.")]))

        again, without = (json.dumps(call.body) for call in speaker.server.heard[1:])
        assert sealed in again
        assert again.index("How long?") < again.index("I count.") < again.index("text__count")
        assert sealed not in without
        assert "How long?" not in json.dumps(stranger.asked)


async def test_what_begins_alike_is_cached() -> None:
    chat, responses, anthropic = PROTOCOLS
    messages = [FromUser(text="One?"), FromModel(text="Two."), FromUser(text="Three?")]
    fields: dict[str, Any] = {"messages": messages, "system": "Count.", "tools": [tool("a"), tool("b")]}
    for protocol in (chat, responses):
        async with speaking(protocol, Turn(text="Four.")) as speaker:
            await complete(speaker.model, speaker.request(conversation="counter/ada", **fields))
            await complete(speaker.model, speaker.request(conversation="counter/ada"))
        keys = [call.body["prompt_cache_key"] for call in speaker.server.heard]
        assert keys[0] == keys[1]
        assert "ada" not in keys[0]

    async with speaking(anthropic, Turn(text="Four.")) as speaker:
        await complete(speaker.model, speaker.request(conversation="counter/ada", **fields))
        marked = speaker.asked
        await complete(speaker.model, speaker.request(**fields))
    blocks = [marked["tools"][1], marked["system"][0], *(one["content"][-1] for one in marked["messages"][::2])]
    assert [block.get("cache_control") for block in blocks] == [{"type": "ephemeral"}] * 4
    assert json.dumps(marked).count("cache_control") == 4
    assert "cache_control" not in json.dumps(speaker.asked)


async def test_fields_go_only_to_who_takes_them() -> None:
    fields: dict[str, Any] = {"temperature": 0.0, "seed": 7, "conversation": "c"}
    bodies = {}
    for protocol in PROTOCOLS:
        async with speaking(protocol, Turn(text="x"), provider="house") as speaker:
            await complete(speaker.model, speaker.request(**fields))
            bodies[protocol.name] = speaker.asked
    async with speaking(PROTOCOLS[0], Turn(text="x")) as speaker:
        thinker = speaker.request(**fields).model_copy(update={"model": "openai/gpt-5"})
        await complete(speaker.model, thinker)

    assert {"seed", "temperature", "max_tokens"} <= bodies["openai-chat"].keys()
    assert not {"prompt_cache_key", "max_completion_tokens"} & bodies["openai-chat"].keys()
    assert "temperature" in bodies["openai-responses"]
    assert "seed" not in bodies["openai-responses"]
    assert not {"seed", "temperature"} & bodies["anthropic"].keys()
    assert "temperature" not in speaker.asked
    assert speaker.asked["max_completion_tokens"] == 4096


async def test_a_server_that_refuses_to_be_asked_for_usage_is_not_asked_again() -> None:
    where = [{"loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]
    refusal = Turn(status=422, error={"message": {"detail": where}})
    async with speaking(PROTOCOLS[0], refusal, Turn(text="x" * 40), provider="house") as speaker:
        for _ in range(2):
            reply = await complete(speaker.model, speaker.request("y" * 400))

    assert ["stream_options" in call.body for call in speaker.server.heard] == [True, False, False]
    assert not reply.counted
