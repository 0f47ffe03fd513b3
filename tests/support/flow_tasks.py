"""Tasks of flows for tests."""

from typing import Any


def step(id: str, **words: Any) -> dict[str, Any]:  # noqa: A002 - as in a flow
    """A task that asks a step agent; words of the message stand in `do`."""
    do = words.pop("do", {})
    return {"id": id, "agent": f"@{id}", "ask": "step.do", "with": {"value": id, **do}, **words}
