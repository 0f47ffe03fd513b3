"""What a model wrote as the arguments of a tool: an object, or what it is handed on as if it is none."""

import json

from ...actors.models import ToolUse


def tool_use(use_id: str, name: str, written: str) -> ToolUse:
    try:
        arguments = json.loads(written or "{}", parse_constant=_refuse)
    except (ValueError, RecursionError):
        arguments = None
    if isinstance(arguments, dict):
        return ToolUse(id=use_id, name=name, arguments=arguments)
    return ToolUse(id=use_id, name=name, malformed=written)


def _refuse(constant: str) -> None:
    """NaN and Infinity: Python reads them, JSON has none, and Postgres would not keep them."""
    raise ValueError(constant)
