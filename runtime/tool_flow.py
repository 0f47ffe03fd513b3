"""A single call of a tool as a run: a flow of one task, so that it is followed, approved and cancelled as any other."""

from typing import Any

from ..workflows.flow import Frozen, freeze_document
from ..workflows.flow.templates import ESCAPED, OPENING
from .flow_start import frozen_of


def flow_of_call(tool: str, arguments: dict[str, Any]) -> Frozen:
    name = tool.partition("@")[0].replace(".", "-").replace("_", "-")
    document = {
        "flow": {"name": f"tool-{name}"},
        "tasks": [{"id": "call", "name": tool, "tool": tool, "with": {key: _plain(v) for key, v in arguments.items()}}],
    }
    return frozen_of(freeze_document(document, _no_child))


def _no_child(path: str) -> tuple[str, str]:
    raise FileNotFoundError(path)


def _plain(value: Any) -> Any:
    """What looks like an expression is none: it came from whoever calls, not from a flow."""
    match value:
        case str():
            return value.replace(OPENING, ESCAPED)
        case list():
            return [_plain(one) for one in value]
        case dict():
            return {key: _plain(one) for key, one in value.items()}
        case _:
            return value
