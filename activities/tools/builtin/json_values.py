"""Tools for JSON values: look something up, compute with CEL, check by a schema, compare, patch, merge."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from ..tool import tool
from .bounds import run_bounded
from .json_patches import apply_patch, difference, merge_patch
from .pointers import find_all, look_up

Value = Annotated[JsonValue, Field(description="Any JSON value.")]


@dataclass
class OneValue:
    value: JsonValue


@dataclass
class Violation:
    pointer: str
    said: str


@dataclass
class Validated:
    valid: bool
    violations: list[Violation]  # at most 50


@dataclass
class JsonDifference:
    patch: list[dict[str, JsonValue]]  # of JSON Patch; empty: they are the same


@tool("json.get", version="1.0.0", contract="safe-to-retry")
def get(
    value: Value,
    path: Annotated[
        str,
        Field(
            max_length=2_000,
            description="JSON Pointer as in `/users/0/name`, or path as in `users[0].name`, `users[*].name`, `..name`.",
        ),
    ],
    default: Annotated[
        Any, Field(description="What to give when nothing is there; without it, that is an error.")
    ] = None,
    has_default: Annotated[bool, Field(description="`default` counts, even if it is null.")] = False,
) -> OneValue:
    """Gives what stands at a place in a JSON value. A path with `*` or `..` gives a list of all that it finds."""
    fallback = (default,) if has_default or default is not None else ()
    if path == "" or path.startswith("/"):
        return OneValue(look_up(value, path, *fallback))
    return OneValue(find_all(value, path, *fallback))


@tool("json.query", version="1.0.0", contract="safe-to-retry", tags=("bounded",))
def query(
    value: Value,
    expression: Annotated[
        str,
        Field(min_length=1, max_length=10_000, description="CEL over `value`, as in `value.filter(x, x.age > 30)`."),
    ],
) -> OneValue:
    """Computes something from a JSON value by an expression of CEL: filter, map, all, exists, size, arithmetic."""
    from ..bounded.expressions import evaluate  # its library takes half a second

    return OneValue(run_bounded(evaluate, expression, value))


@tool("json.validate", version="1.0.0", contract="safe-to-retry", tags=("bounded",))
def validate(
    value: Value,
    json_schema: Annotated[dict[str, Any] | bool, Field(description="A JSON Schema; `$ref` only within itself.")],
) -> Validated:
    """Checks a JSON value by a JSON Schema (2020-12 if it does not say), and says what does not fit and where."""
    from ..bounded.schemas import violations

    found = [Violation(**one) for one in run_bounded(violations, value, json_schema)]
    return Validated(not found, found)


@tool("json.diff", version="1.0.0", contract="safe-to-retry")
def diff(a: Value, b: Value) -> JsonDifference:
    """Shows what changes one JSON value into another, as a JSON Patch (RFC 6902)."""
    return JsonDifference(difference(a, b))


@tool("json.patch", version="1.0.0", contract="safe-to-retry")
def patch(
    value: Value,
    patch: Annotated[
        list[dict[str, Any]],
        Field(max_length=1_000, description='As in `[{"op": "add", "path": "/a", "value": 1}]`.'),
    ],
) -> OneValue:
    """Applies a JSON Patch (RFC 6902): add, remove, replace, move, copy, test. All of it, or it is an error."""
    return OneValue(apply_patch(value, patch))


@tool("json.merge", version="1.0.0", contract="safe-to-retry")
def merge(
    value: Value,
    changes: Value,
    lists: Annotated[Literal["replace", "append"], Field(description="What happens to a list in both.")] = "replace",
) -> OneValue:
    """Merges one JSON value into another: objects key by key, null removes a key (RFC 7396)."""
    return OneValue(merge_patch(value, changes, lists == "append"))


TOOLS = (get, query, validate, diff, patch, merge)
