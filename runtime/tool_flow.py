"""A single call of a tool as a run: a flow of one task, so that it is followed, approved and cancelled as any other."""

from collections.abc import Sequence
from typing import Any

from ..workflows.flow import Frozen, freeze_document
from ..workflows.flow.templates import ESCAPED, OPENING
from ..workflows.interpreter.run_input import RunInput
from .flow_start import frozen_of, run_input


def run_of_call(
    tool: str, arguments: dict[str, Any], *, tenant: str, chain: Sequence[str] = (), tags: Sequence[str] = ("tool",)
) -> RunInput:
    """`chain` is on whose behalf; the user of this machine, if nobody is said."""
    given = run_input(flow_of_call(tool, arguments), {}, tenant=tenant, tags=tags, chain=chain)
    return given.model_copy(update={"direct": True})


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
