"""Expressions of CEL over one value."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

from ...expression_engine import cel
from .process import Refused


def evaluate(expression: str, value: Any) -> Any:
    try:
        program = cel.compile(expression)
    except ValueError as error:
        raise Refused(f"`expression` is not CEL: {_first_line(error)}. Write it as in `value.size() > 3`.") from None
    try:
        return as_json(program.execute({"value": value}))
    except Exception as error:  # noqa: BLE001 - the library raises whatever its functions do; all of it is told
        raise Refused(f"the expression has no value: {_first_line(error)}.") from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")[:300]


def as_json(value: Any) -> Any:
    match value:
        case list() | tuple():
            return [as_json(one) for one in value]
        case dict():
            return {str(key): as_json(one) for key, one in sorted(value.items(), key=lambda item: str(item[0]))}
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            return f"{value.total_seconds():g}s"
        case bytes():
            return base64.b64encode(value).decode()
        case None | bool() | int() | float() | str():
            return value
    raise Refused(f"the expression gives a {type(value).__name__}, which JSON has no word for: turn it into a text.")
