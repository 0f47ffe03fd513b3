"""What a model wrote as the arguments of a tool: an object, or what it is handed on as if it is none.

The invariant: what was cut off is no object. A whole one ends by its brace, wherever the answer broke off after it; of
nothing at all it is not known what it would have been.
"""

import json

from ...actors.models import Stop, ToolUse

CUT: tuple[Stop, ...] = ("length", "refused")


def tool_use(use_id: str, name: str, written: str, stop: Stop) -> ToolUse:
    nothing = "" if stop in CUT else "{}"  # as some models write what needs no arguments
    try:
        arguments = json.loads(written or nothing, parse_constant=_refuse)
    except (ValueError, RecursionError):
        arguments = None
    if isinstance(arguments, dict):
        return ToolUse(id=use_id, name=name, arguments=arguments)
    return ToolUse(id=use_id, name=name, malformed=written)


def _refuse(constant: str) -> None:
    """NaN and Infinity: Python reads them, JSON has none, and Postgres would not keep them."""
    raise ValueError(constant)
