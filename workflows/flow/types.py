"""What is known of the types of values before a run: from the schemas of inputs and from the kinds of tasks.

A type is a JSON Schema; an empty one says nothing, and then nothing is reported.
"""

from typing import Any, NamedTuple

from .model import Approval, Flow, Loop, Parallel, Task
from .vocabulary import nearest

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
RUN: Schema = {
    "type": "object",
    "properties": {
        "id": _TEXT,
        "flow": _TEXT,
        "version": {},
        "started_at": _TEXT,
        "attempt": {"type": "integer"},
        "tenant": _TEXT,
    },
    "additionalProperties": False,
}
ERROR: Schema = {
    "type": "object",
    "properties": {"type": _TEXT, "message": _TEXT, "task": _TEXT},
    "additionalProperties": False,
}
TASK = ("output", "status", "error")
STATUSES = ("completed", "failed", "skipped", "cancelled")

ARTICLES = {"integer": "an integer", "array": "a list", "object": "a mapping", "string": "a text", "null": "null"}


def inputs_schema(flow: Flow) -> Schema:
    properties = {
        name: {"type": "string"}
        if given.secret
        else given.model_dump(exclude={"default", "secret"}, exclude_unset=True)
        for name, given in flow.inputs.items()
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}


def env_schema(flow: Flow) -> Schema:
    return {
        "type": "object",
        "properties": {
            name: {} if isinstance(value, str) and "${{" in value else {"type": _name(value)}
            for name, value in flow.env.items()
        },
        "additionalProperties": False,
    }


def _name(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return {int: "integer", float: "number", str: "string"}[type(value)]


def output_schema(task: Task) -> Schema:
    match task:
        case Approval(approval=spec):
            form = {"type": "object", "properties": dict(spec.form), "additionalProperties": False}
            properties = {"approved": {"type": "boolean"}, "by": {}, "comment": {}, "form": form}
            return {"type": "object", "properties": properties, "additionalProperties": False}
        case Parallel(parallel=spec):
            return {
                "type": "object",
                "properties": {inner.key: {} for inner in spec.tasks},
                "additionalProperties": False,
            }
        case Loop(loop=spec) if spec.over is not None:
            return {"type": "array"}
        case _:
            return {}


class Lost(NamedTuple):
    """A step of a path that leads nowhere."""

    at: int
    message: str
    fix: str


def follow(schema: Schema, way: str, path: tuple[str | int, ...]) -> Schema | Lost:
    """The type of what a path leads to."""
    for at, step in enumerate(path):
        inner = _inner(schema, step)
        if inner is None:
            return _lost(schema, way, at, step)
        schema = inner
        way = f"{way}[{step}]" if isinstance(step, int) else f"{way}.{step}"
    return schema


def types_of(schema: Schema) -> frozenset[str]:
    """The JSON types that a value may have; empty when nothing is known."""
    match schema.get("type"):
        case str(name):
            return frozenset({name})
        case list() | tuple() as names:
            return frozenset(names)
        case _:
            return frozenset()


def _inner(schema: Schema, step: str | int) -> Schema | None:
    """The type of one step further: {} when unknown, None when there cannot be one."""
    types = types_of(schema)
    if not types or not isinstance(schema, dict):
        return {}
    if isinstance(step, int):
        if types & {"array", "object"}:
            items = schema.get("items", {})
            return items if isinstance(items, dict) and "array" in types else {}
        return None
    if "object" not in types:
        return None
    properties = schema.get("properties", {})
    if not isinstance(properties, dict) or step not in properties:
        return None if schema.get("additionalProperties") is False and "patternProperties" not in schema else {}
    found = properties[step]
    return found if isinstance(found, dict) else {}


def _lost(schema: Schema, way: str, at: int, step: str | int) -> Lost:
    types = types_of(schema)
    if "object" in types and isinstance(step, str):
        known = list(schema.get("properties", {}))
        near = nearest(step, known)
        fix = (
            f"did you mean `{near}`?"
            if near
            else f"there are {', '.join(known)}"
            if known
            else f"`{way}` has no fields"
        )
        if not near and way == "inputs":
            fix = f"declare it under `inputs:`, or use {', '.join(known)}" if known else "declare it under `inputs:`"
        if not near and way == "env" and not known:
            fix = "declare it under `env:`"
        what = {"inputs": "input", "env": "name in `env`"}.get(way)
        return Lost(at, f"there is no {what} `{step}`" if what else f"`{way}` has no field `{step}`", fix)
    kind = " or ".join(sorted(ARTICLES.get(name, f"a {name}") for name in types))
    where = f"[{step}]" if isinstance(step, int) else f".{step}"
    return Lost(at, f"`{way}` is {kind}, so it has no `{where}`", f"use `{way}` itself")
