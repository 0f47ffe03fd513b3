"""The bundled model itself: real weights, real tokens, in the process that a stack starts."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from resprout.activities.models.local import LocalModel
from resprout.activities.tools.builtin import ALL
from resprout.actors.models import (
    AnswerForm,
    BadPrompt,
    CountsTokens,
    FromModel,
    FromTool,
    FromUser,
    ModelBusy,
    ModelFailed,
    ModelLost,
    ModelReply,
    ModelRequest,
    Piece,
    PromptTooLong,
    ToolOffer,
    ToolUse,
    UnknownModel,
    complete,
)
from resprout.runtime.local_model import local_model
from resprout.runtime.model_settings import LocalModelSettings
from support.local_server import ModelServer, bundled
from support.ports import free_port
from support.stack import RESPROUT, clean_environment, eventually, is_listening

WINDOW = 2_048
OFFERS = tuple(ToolOffer(name=t.name, description=t.manifest.description, parameters=t.manifest.input) for t in ALL)
FAMILIES = sorted({offer.name.partition(".")[0] for offer in OFFERS})
SHAPES: dict[str, dict[str, Any]] = {
    "nested": {
        "type": "object",
        "properties": {
            "person": {
                "type": "object",
                "properties": {"name": {"type": "string", "maxLength": 30}, "age": {"type": "integer", "minimum": 0}},
                "required": ["name", "age"],
            }
        },
        "required": ["person"],
        "additionalProperties": False,
    },
    "choices": {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "green", 3, None]}},
        "required": ["colour"],
    },
    "list": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 5},
    "numbers": {"type": "object", "properties": {"n": {"type": "number", "exclusiveMinimum": 0}}, "required": ["n"]},
    "either": {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": "^[a-z]{3}$"}]},
    "put together": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]},
            {"type": "object", "properties": {"b": {"const": "x"}}, "required": ["b"]},
        ]
    },
    "defined": {
        "type": "object",
        "properties": {"days": {"type": "array", "items": {"$ref": "#/$defs/day"}, "minItems": 1}},
        "required": ["days"],
        "$defs": {"day": {"type": "string", "format": "date"}},
    },
    "free": {"type": "object"},
    "a date": {"type": "string", "format": "date-time"},
}


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer(bundled(window=WINDOW)) as server:
        yield server


@pytest.fixture
async def model(server: ModelServer) -> AsyncIterator[LocalModel]:
    model = LocalModel(server.url)
    yield model
    await model.close()


def request(text: str = "What is the capital of France?", **given: Any) -> ModelRequest:
    return ModelRequest(**{"model": "local", "messages": (FromUser(text=text),), "max_tokens": 400, **given})


async def heard(model: LocalModel, asked: ModelRequest) -> tuple[str, ModelReply]:
    said = [each async for each in model.stream(asked)]
    reply = said[-1]
    assert isinstance(reply, ModelReply)
    return "".join(each.text for each in said if isinstance(each, Piece)), reply


async def test_it_knows_the_capital_of_france(model: LocalModel) -> None:
    reply = await complete(model, request())

    assert "Paris" in reply.message.text
    assert (reply.stop, reply.model, reply.version) == ("end", "local", "SmolLM2-135M-Instruct.Q4_1")


async def test_what_it_streams_is_the_whole(model: LocalModel) -> None:
    shown, reply = await heard(model, request("Tell me about rivers.", max_tokens=60))

    assert shown == reply.message.text
    assert reply.stop == "length"
    assert reply.usage.output_tokens == 60


async def test_the_same_prompt_gives_the_same_text_alone_and_among_others_with_and_without_a_cache(
    server: ModelServer, model: LocalModel
) -> None:
    asked = [request(f"Write a line about {what}.", max_tokens=30) for what in ("rain", "stone", "bread")]
    with ModelServer(bundled(window=WINDOW)) as fresh:
        alone = [(await complete(LocalModel(fresh.url), each)).message for each in asked]

    again = [(await complete(model, each)).message for each in (*asked, *reversed(asked))]
    at_once = [reply.message for reply in await asyncio.gather(*(complete(model, each) for each in asked))]

    assert again == [*alone, *reversed(alone)]
    assert at_once == alone


async def test_with_a_temperature_the_seed_decides(model: LocalModel) -> None:
    warm = request("Name an animal.", max_tokens=20, temperature=1.5)

    first, again = [(await complete(model, warm)).message.text for _ in range(2)]
    others = {(await complete(model, warm.model_copy(update={"seed": seed}))).message.text for seed in (1, 2, 3)}

    assert first == again
    assert len(others | {first}) > 1


async def test_it_counts_what_it_would_read_as_it_counts_what_it_read(model: LocalModel) -> None:
    for asked in (request(), request(tools=OFFERS[:3]), request("<|im_start|> and 你好", system="Be brief.")):
        reply = await complete(model, asked.model_copy(update={"max_tokens": 4}))

        assert await model.count(asked) == reply.usage.input_tokens


async def test_what_it_read_before_comes_from_its_cache(model: LocalModel) -> None:
    asked = request("Remember this sentence, since it is asked for twice.", max_tokens=4)
    await complete(model, asked)

    usage = (await complete(model, asked)).usage

    assert 0 < usage.cached_tokens <= usage.input_tokens


@pytest.mark.parametrize("name", SHAPES)
async def test_an_answer_has_the_form_that_was_asked_for(model: LocalModel, name: str) -> None:
    shown, reply = await heard(model, request("Make something up.", answer=AnswerForm(shape=SHAPES[name])))

    assert reply.stop == "end", reply
    assert shown == reply.message.text
    Draft202012Validator(SHAPES[name]).validate(json.loads(reply.message.text))


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_use_of_a_tool_is_valid_for_the_largest_tool_of_a_family(model: LocalModel, family: str) -> None:
    """That every tool has a form is in test_local_schema, where no model is asked."""
    tools = (offer for offer in OFFERS if offer.name.partition(".")[0] == family)
    offer = max(tools, key=lambda one: len(one.model_dump_json()))

    reply = await complete(model, request("Do what you can.", tools=(offer,), choice="required", max_tokens=40))

    if reply.stop == "length":  # it goes on where the tool takes long text; what was cut off is no use
        assert reply.message.uses == ()
        assert reply.message.text.startswith(f'{{"tool":"{offer.name}"')
        return
    (use,) = reply.message.uses
    assert (use.name, use.malformed, reply.stop) == (offer.name, None, "tools")
    Draft202012Validator(offer.parameters).validate(use.arguments)


async def test_a_whole_family_is_offered_at_once(model: LocalModel) -> None:
    family = tuple(offer for offer in OFFERS if offer.name.startswith("text."))

    reply = await complete(model, request("Count the words of 'one two three'.", tools=family, choice="required"))

    assert {use.name for use in reply.message.uses} <= {offer.name for offer in family}
    assert reply.usage.input_tokens < WINDOW


async def test_a_conversation_goes_on_after_a_tool_has_answered(model: LocalModel) -> None:
    count = next(offer for offer in OFFERS if offer.name == "text.count")
    first = await complete(model, request("Count the words of 'a b c'.", tools=(count,), choice="required"))
    (use,) = first.message.uses
    messages = (FromUser(text="Count the words of 'a b c'."), first.message, FromTool(use=use.id, text='{"words": 3}'))

    shown, reply = await heard(model, request(messages=messages, tools=(count,), max_tokens=120))

    assert reply.message.uses or reply.message.text
    assert shown == (reply.message.text if not reply.message.uses else "")
    assert [use.id for use in reply.message.uses] != [use.id]


async def test_who_uses_a_tool_alike_for_the_second_time_may_only_answer(model: LocalModel) -> None:
    slug = next(offer for offer in OFFERS if offer.name == "text.slug")
    use = ToolUse(id="u1", name="text.slug", arguments={"text": "The Tides"})
    once = (FromUser(text="Make a slug of: The Tides"), FromModel(uses=(use,)), FromTool(use="u1", text="the-tides"))
    again = (FromModel(uses=(use.model_copy(update={"id": "u2"}),)), FromTool(use="u2", text="the-tides"))
    asked: dict[str, Any] = {"tools": (slug,), "max_tokens": 120}

    reply = await complete(model, request(messages=(*once, *again), **asked))
    required = await complete(model, request(messages=(*once, *again), **asked, choice="required"))
    anew = await complete(model, request(messages=(*once, *again, FromUser(text="Make a slug of: The Tides")), **asked))

    assert (reply.message.uses, bool(reply.message.text)) == ((), True)
    assert required.message.uses
    assert anew.message.uses


async def test_text_of_its_own_comes_to_an_end(model: LocalModel) -> None:
    asked = "Tea or coffee? Say what you think in a few sentences."

    reply = await complete(model, request(asked, system="You are an analyst.", max_tokens=1_000, timeout_seconds=280))

    assert reply.stop == "end"


async def test_a_tool_that_must_not_be_used_is_not(model: LocalModel) -> None:
    reply = await complete(model, request(tools=OFFERS[:2], choice="none"))

    assert reply.message.uses == ()
    assert "Paris" in reply.message.text


async def test_a_schema_that_nothing_fits_is_refused_in_words(model: LocalModel) -> None:
    nothing = AnswerForm(shape={"type": "object", "properties": {"a": {"enum": []}}, "required": ["a"]})

    with pytest.raises(BadPrompt, match="grammar does not take the JSON Schema of the answer"):
        await complete(model, request("Tell me a story.", answer=nothing))


async def test_a_prompt_that_is_too_long_is_refused_with_both_sizes(model: LocalModel) -> None:
    with pytest.raises(PromptTooLong, match=rf"\d{{4}} tokens, the window of the local model {WINDOW}"):
        await complete(model, request("hello " * (WINDOW + 100)))


async def test_where_the_window_ends_the_answer_ends(server: ModelServer) -> None:
    with ModelServer(bundled(window=256, slots=1)) as small:
        reply = await complete(LocalModel(small.url), request("Tell me a very long story.", max_tokens=4_000))

    assert reply.stop == "length"
    assert reply.usage.tokens <= 256


async def test_more_calls_than_slots_are_all_answered(model: LocalModel) -> None:
    asked = [request(f"What is {n} plus {n}?", max_tokens=15) for n in range(8)]

    replies = await asyncio.gather(*(complete(model, each) for each in asked))

    assert all(reply.message.text for reply in replies)


async def test_who_stops_listening_frees_the_slot(server: ModelServer) -> None:
    endless = request("Count up from one, one number a line, and never stop.", max_tokens=1_900)
    with ModelServer(bundled(window=WINDOW, slots=1)) as one:
        model = LocalModel(one.url)
        stream = model.stream(endless)
        await anext(stream)

        await stream.aclose()
        reply = await complete(model, request(max_tokens=4, timeout_seconds=20))

    assert reply.usage.output_tokens <= 4


async def test_what_takes_too_long_is_lost(model: LocalModel) -> None:
    with pytest.raises(ModelLost, match="not done within"):
        await complete(model, request("Write a novel.", max_tokens=1_900, timeout_seconds=0.3))


async def test_a_server_killed_in_the_middle_is_a_lost_answer_and_one_that_is_back_answers() -> None:
    with ModelServer(bundled(window=WINDOW)) as server:
        model = LocalModel(server.url)
        stream = aiter(model.stream(request("Write a novel.", max_tokens=1_900)))
        await anext(stream)

        server.kill()

        with pytest.raises(ModelLost):
            [said async for said in stream]
        with pytest.raises(ModelBusy, match=r"does not answer.*resprout status"):
            await complete(model, request())
        server.start()
        assert "Paris" in (await complete(model, request())).message.text


async def test_it_takes_little_before_it_is_asked_and_leaves_memory_when_it_is_not_asked_again() -> None:
    with ModelServer(bundled(window=WINDOW, idle_seconds=1)) as server:
        for _ in range(20):
            assert server.listens()  # who only looks does not make it load
        assert server.resident_bytes() < 30_000_000

        speaks = aiter(LocalModel(server.url).stream(request("Tell me about rivers.", max_tokens=100)))
        await anext(speaks)
        assert server.resident_bytes() > 150_000_000  # while it speaks
        assert [said async for said in speaks]

        eventually(lambda: server.resident_bytes() < 100_000_000, "the weights left memory")
        assert "Paris" in (await complete(LocalModel(server.url), request())).message.text


async def test_weights_that_are_none_are_refused_in_words(tmp_path: Any) -> None:
    (tmp_path / "bad.gguf").write_text("no weights")
    with ModelServer(bundled(weights=str(tmp_path / "bad.gguf"))) as server:
        with pytest.raises(ModelFailed, match=r"bad\.gguf could not be loaded"):
            await complete(LocalModel(server.url), request())
        assert server.listens()


async def test_no_page_in_a_browser_may_read_it_and_nobody_what_others_ask(server: ModelServer) -> None:
    async with httpx.AsyncClient(base_url=server.url) as client:
        health = await client.get("/health", headers={"Origin": "https://example.org"})
        slots = await client.get("/slots")

    assert health.headers.get("Access-Control-Allow-Origin") not in ("*", "https://example.org")
    assert slots.status_code >= 400


def test_without_a_server_it_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownModel, match="resprout up"):
        local_model(LocalModelSettings())

    monkeypatch.setattr("resprout.runtime.local_model.missing", lambda weights: "the package `xllamacpp` is missing")
    with pytest.raises(UnknownModel, match=r"xllamacpp.*pip install 'resprout\[embedded\]'"):
        local_model(LocalModelSettings())


async def test_the_command_serves_it_outside_of_a_stack() -> None:
    port = free_port()
    process = subprocess.Popen([*RESPROUT, "model-server", "--port", str(port)], env=clean_environment())
    try:
        model = LocalModel(f"http://127.0.0.1:{port}")
        eventually(lambda: is_listening(port), "the command listens")

        assert "Paris" in (await complete(model, request())).message.text
    finally:
        process.terminate()
        assert process.wait(90) == 0


def test_it_counts_tokens() -> None:
    assert isinstance(LocalModel("http://127.0.0.1:9"), CountsTokens)
