"""From what the CEL library returns to JSON, in one way only: sorted keys, UTC, our lengths of time."""

import json
import math
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import JsonValue

from ...activities.expression_engine import cel
from ...actors.duration import format_duration


def as_json(value: Any) -> JsonValue:
    """Raises ValueError with a sentence when there is no JSON for it."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            if not math.isfinite(value):
                raise ValueError(f"the result is {value}, which is not a number that JSON knows")
            return value
        case list() | tuple():
            return [as_json(item) for item in value]
        case dict():
            # The library's maps have random order; a run that is replayed must see one order.
            return {key: as_json(value[original]) for key, original in sorted((_key(key), key) for key in value)}
        case _:
            return _special(value)


def _special(value: Any) -> JsonValue:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            return format_duration(value)
        case bytes():
            return b64encode(value).decode()
        case cel.OptionalValue():
            return as_json(value.value()) if value.has_value() else None
        case _:
            raise ValueError(f"the result is a {type(value).__name__}, not a JSON value")


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)


def as_json_text(value: Any) -> str:
    return json.dumps(as_json(value), ensure_ascii=False, separators=(",", ":"))


def as_text(value: JsonValue) -> str:
    """How a value looks inside a text: null is nothing, 2.0 is 2, lists and maps are JSON."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case int() | float():
            return str(value)
        case _:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def kind_of(value: Any) -> str:
    """What a person calls the type of a JSON value."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a number"
        case str():
            return "a text"
        case list() | tuple():
            return "a list"
        case _:
            return "a mapping"
