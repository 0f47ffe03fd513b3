"""Tools whose arguments are described by JSON Schema, some of them written to do harm."""

import time
from pathlib import Path
from typing import Any

import pytest
from resprout.activities.tools.manifest import ToolManifest
from resprout.activities.tools.outside.json_schema import BadSchema, JsonSchema
from resprout.activities.tools.outside.schema_tool import refuse_bad_schemas, schema_tool
from resprout.activities.tools.tool import BadArguments, Tool, ToolCall
from resprout.actors.errors import Broken
from support.tool_calls import hands


def made(schema: dict[str, Any], output: dict[str, Any] | None = None) -> Tool:
    async def echo(call: ToolCall, given: dict[str, Any]) -> Any:
        return given

    manifest = ToolManifest(
        name="far.echo", version="1.0.0", description="Gives back.", input=schema, output=output or {}
    )
    return schema_tool(manifest, echo, source="mcp:far")


def object_of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


async def test_arguments_that_fit_arrive_as_they_were_given(tmp_path: Path) -> None:
    tool = made(object_of(city={"type": "string"}, days={"type": "integer", "minimum": 1}))

    assert await hands(tmp_path).use(tool, city="Köln", days=2) == {"city": "Köln", "days": 2}


@pytest.mark.parametrize(
    ("schema", "given", "said"),
    [
        ({"days": {"type": "integer"}}, {"days": "two"}, "`days`: it must be a whole number"),
        ({"a": {"type": ["string", "null"]}}, {"a": 1}, "`a`: it must be text or null"),
        ({"a": {"enum": ["x", "y"]}}, {"a": "z"}, '`a`: it must be one of "x", "y"'),
        ({"a": {"type": "array", "items": {"minimum": 3}}}, {"a": [5, 1]}, "`a.1`: it must be at least 3"),
        ({"a": {"pattern": "^b+$"}}, {"a": "c"}, r'`a`: it must match the pattern "^b+$"'),
        ({"a": {"anyOf": [{"type": "string"}, {"type": "boolean"}]}}, {"a": 1}, "it must be text or true or false"),
        ({}, {"b": 1}, "`b`: there is no such argument"),
        ({"a": {"uniqueItems": True}}, {"a": [1, {"x": 2}, 1.0]}, "its elements must differ"),
    ],
)
def test_arguments_that_do_not_fit_are_told_in_words(schema: Any, given: Any, said: str) -> None:
    with pytest.raises(BadArguments) as refused:
        made(object_of(**schema)).parse(given)

    assert said in str(refused.value)


def test_what_is_missing_is_named_and_what_was_given_is_not() -> None:
    tool = made({"type": "object", "required": ["key", "n"], "properties": {"n": {"type": "integer"}}})

    with pytest.raises(BadArguments) as refused:
        tool.parse({"n": "canary-secret"})

    assert "`key` must be given" in str(refused.value)
    assert "canary" not in str(refused.value)


async def test_a_result_that_does_not_fit_the_tools_own_schema_is_its_defect(tmp_path: Path) -> None:
    tool = made({"type": "object"}, {"type": "object", "required": ["total"]})

    with pytest.raises(Broken, match="does not fit its own schema: ``: `total` must be given"):
        await hands(tmp_path).use(tool, n=1)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "string"}, 'must say "type": "object"'),
        ({"type": "object", "properties": {"a": {"type": "strnig"}}}, "wrong at properties/a/type"),
        ({"type": "object", "properties": {"a": {"$ref": "https://evil.example/s.json"}}}, "nothing is fetched"),
        ({"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}}, "nothing is fetched"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/no"}}}, "which is not in it"),
        ({"type": "object", "properties": {"a": {"pattern": "(?=x)"}}}, "without looking ahead"),
        ({"type": "object", "title": "x" * 300_000}, "200,000 are the most"),
    ],
)
def test_a_schema_that_is_bad_or_leads_elsewhere_is_refused(schema: Any, said: str) -> None:
    with pytest.raises(BadSchema) as refused:
        refuse_bad_schemas(made(schema).manifest)

    assert said in str(refused.value)


def test_a_schema_without_a_bottom_is_refused() -> None:
    nested: dict[str, Any] = {}
    for _ in range(5_000):
        nested = {"not": nested}

    with pytest.raises(BadSchema, match="nested more than 64 deep"):
        JsonSchema({"type": "object", "properties": {"a": nested}}, "a well")


@pytest.mark.parametrize(
    ("document", "value"),
    [
        ({"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}, {}),
        (
            {
                "$defs": {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}
                | {"d40": {"type": "object"}},
                "$ref": "#/$defs/d0",
            },
            {},
        ),
        ({"properties": {"a": {"pattern": "^(a+)+$"}}}, {"a": "a" * 60 + "!"}),
        ({"properties": {"a": {"uniqueItems": True}}}, {"a": [{"n": n} for n in range(15_000)] + [1]}),
        ({"properties": {"a": {"items": {"type": "integer"}}}}, {"a": list(range(60_000))}),
    ],
    ids=["circle", "doubling", "backtracking", "unique", "long"],
)
def test_no_schema_keeps_the_worker_busy_for_long(document: Any, value: Any) -> None:
    schema = JsonSchema({"type": "object", **document}, "a trap")
    began = time.process_time()  # of the processor: others have it, too

    schema.problems(value)

    assert time.process_time() - began < 5
