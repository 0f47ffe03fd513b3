import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from resprout.activities.models.local.form import Form, Heard
from resprout.activities.models.local.prompt import conversation
from resprout.activities.models.local.schema import Reduction
from resprout.activities.tools.builtin import ALL
from resprout.activities.tools.tool import Tool
from resprout.actors.models import (
    AnswerForm,
    BadPrompt,
    FromModel,
    FromTool,
    FromUser,
    ModelRequest,
    ToolOffer,
    ToolUse,
)


def reduced(schema: Any) -> dict[str, Any]:
    return Reduction("a test", "#/$defs/x").whole(schema)


def request(**given: Any) -> ModelRequest:
    return ModelRequest(**{"model": "local", "messages": (FromUser(text="hello"),), **given})


COUNT = ToolOffer(
    name="text.count",
    description="Counts words.",
    parameters={"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
)


@pytest.mark.parametrize("tool", ALL, ids=lambda tool: tool.name)
def test_every_tool_that_ships_has_a_form(tool: Tool) -> None:
    offer = ToolOffer(name=tool.name, description=tool.manifest.description, parameters=tool.manifest.input)

    grammar = Form.of(request(tools=(offer,), choice="required")).grammar()

    assert grammar is not None
    assert tool.name in grammar


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "integer"}, "uniqueItems": True},
        {"type": "string", "format": "uri"},
        {"type": "string", "pattern": "^(?!x).*$"},
        {"type": "object", "properties": {"a": {"type": "string"}}, "dependentRequired": {"a": ["b"]}},
        {"type": "integer", "not": {"const": 3}},
        {"if": {"type": "string"}, "then": {"minLength": 3}, "type": ["string", "null"]},
    ],
)
def test_a_rule_that_the_grammar_does_not_know_is_left_out(schema: dict[str, Any]) -> None:
    text = json.dumps(reduced(schema))

    for word in ("uniqueItems", "uri", "?!", "dependentRequired", '"not"', '"if"', '"then"'):
        assert word not in text


@pytest.mark.parametrize("schema", [{"type": "integer"}, {"type": "number"}, {"type": "integer", "minimum": 5}])
def test_a_number_has_an_end(schema: dict[str, Any]) -> None:
    kept = reduced(schema)

    assert kept["minimum"] >= schema.get("minimum", -(10**9))
    assert kept["maximum"] > kept["minimum"]


def test_bounds_as_openapi_wrote_them_are_understood() -> None:
    kept = reduced({"type": "integer", "minimum": 0, "exclusiveMinimum": True, "maximum": 9})

    assert kept == {"type": "integer", "exclusiveMinimum": 0, "maximum": 9}


def test_references_lead_to_where_the_schema_will_stand() -> None:
    kept = reduced({"properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"type": "boolean"}}})

    assert kept["properties"]["a"] == {"$ref": "#/$defs/x/$defs/b"}
    assert kept["$defs"] == {"b": {"type": "boolean"}}


def test_parts_that_are_put_together_do_not_shut_each_other_out() -> None:
    kept = reduced({"allOf": [{"properties": {"a": {"type": "null"}}}, {"properties": {"b": {"type": "null"}}}]})

    assert all("additionalProperties" not in part for part in kept["allOf"])


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"$ref": "https://example.org/s"}, r"https://example\.org/s.*\$defs"),
        ({"type": "array", "minItems": "many"}, "a test is none"),
    ],
)
def test_what_is_no_schema_for_us_is_refused_in_words(schema: dict[str, Any], said: str) -> None:
    with pytest.raises(BadPrompt, match=said):
        reduced(schema)


def test_a_tool_is_required_only_where_one_is_offered() -> None:
    with pytest.raises(BadPrompt, match="none is offered"):
        Form.of(request(choice="required"))


@given(text=st.text(), sizes=st.lists(st.integers(1, 7), min_size=1))
def test_an_answer_is_shown_as_it_comes_however_it_is_cut(text: str, sizes: list[int]) -> None:
    form = Form.of(request(tools=(COUNT,)))
    for escaped in (True, False):
        said = json.dumps({"answer": text}, ensure_ascii=escaped, separators=(",", ":"))
        heard, shown, at = Heard(form), "", 0
        while at < len(said):
            size = sizes[at % len(sizes)]
            shown += heard.more(said[at : at + size])
            at += size

        assert shown == text
        assert form.read(said, request(), is_cut=False)[0].text == text


def test_an_answer_in_json_beside_tools_is_shown_without_what_wraps_it() -> None:
    form = Form.of(request(tools=(COUNT,), answer=AnswerForm(shape={"type": "object"})))
    heard = Heard(form)

    shown = "".join(heard.more(bit) for bit in '{"answer":{"a":{"b":1}}}')

    assert shown == '{"a":{"b":1}}'
    assert form.read(heard.said, request(), is_cut=False) == (FromModel(text=shown), "end")


def test_half_a_use_of_a_tool_is_none() -> None:
    message, stop = Form.of(request(tools=(COUNT,))).read('{"tool":"text.co', request(), is_cut=True)

    assert (message.uses, stop) == ((), "length")


def test_the_same_use_in_the_same_place_has_the_same_id_and_another_in_another() -> None:
    form, said = Form.of(request(tools=(COUNT,))), '{"tool":"text.count","arguments":{"text":"a"}}'
    here, there = request(), request(messages=(FromUser(text="another"),))

    (first, again, other) = (form.read(said, where, is_cut=False)[0].uses[0].id for where in (here, here, there))

    assert first == again
    assert first != other


def test_what_was_said_stands_in_the_prompt_in_the_form_in_which_it_is_said() -> None:
    use = ToolUse(id="u1", name="text.count", arguments={"text": "a b"})
    asked = request(
        tools=(COUNT,),
        messages=(
            FromUser(text="How many?"),
            FromModel(uses=(use,)),
            FromTool(use="u1", text="2"),
            FromModel(text="Two."),
        ),
    )

    system, *spoken = conversation(asked, Form.of(asked))

    assert "- text.count(text: string): Counts words." in system["content"]
    assert [message["content"] for message in spoken] == [
        "How many?",
        '{"tool":"text.count","arguments":{"text":"a b"}}',
        "The tool text.count says: 2",
        '{"answer":"Two."}',
    ]


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"properties": {"a": {}}, "required": ["a", "b"]}])
def test_what_is_left_is_a_schema(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(reduced(schema))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "number", "minimum": -1e100, "maximum": 1e100},
        {"type": "integer", "minimum": 10**12},
        {"type": "integer", "maximum": -(10**12)},
        {"type": "integer", "minimum": 10**12, "maximum": 10**15},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
        {"type": "number", "minimum": 3, "exclusiveMinimum": 4},
    ],
)
def test_a_number_is_bounded_within_its_own_bounds(schema: dict[str, Any]) -> None:
    kept = reduced(schema)

    low = kept.get("minimum", kept.get("exclusiveMinimum"))
    high = kept.get("maximum", kept.get("exclusiveMaximum"))
    assert isinstance(low, int | float)
    assert isinstance(high, int | float)
    assert schema.get("minimum", schema.get("exclusiveMinimum", low)) <= low < high
    assert high <= schema.get("maximum", schema.get("exclusiveMaximum", high))
    assert high - low <= 2 * 10**9
