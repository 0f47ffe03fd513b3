"""The cache of tasks: an agent for each key keeps an output. It saves work, and never costs any: a task whose output is
too large for it, or whose cache does not answer, is done as if it had none.

A key holds the tenant, the flow, the author's key, and the task with all that it consists of: one that was changed does
not find what it gave before.
"""

from dataclasses import dataclass
from typing import Any

from ..flow import Flow, content_hash, evaluate
from ..flow.model import Ask, Child, Goal, TaskBase
from .frame import Frame
from .ledger import inside
from .run_input import RunInput

# How it is handled says nothing about what it gives.
HANDLING = frozenset({"name", "needs", "timeout", "retry", "budget", "cache", "compensate", "save"})


@dataclass(frozen=True)
class Place:
    """Where the output of a task is kept, and what was found there."""

    digest: str
    keep_seconds: float | None
    found: bool = False
    output: Any = None


def place_of(task: TaskBase, flow: Flow, given: RunInput, frame: Frame) -> Place:
    assert task.cache is not None
    key = {
        "tenant": given.tenant,
        "flow": flow.name,
        "task": task.model_dump(mode="json", by_alias=True, exclude=set(HANDLING), exclude_defaults=True),
        "with": _consists_of(task, flow, given),
        "key": evaluate(task.cache.key, frame.scope),
    }
    keep = task.cache.for_.total_seconds() if task.cache.for_ is not None else None
    return Place(content_hash(key), keep)


def _consists_of(task: TaskBase, flow: Flow, given: RunInput) -> dict[str, Any]:
    """The agents and child flows that it names."""
    parts: dict[str, Any] = {}
    for inner in inside(task):
        if isinstance(inner, Ask | Goal) and inner.agent in flow.agents:
            parts[inner.agent] = flow.agents[inner.agent].model_dump(mode="json", exclude_defaults=True)
        elif isinstance(inner, Child):
            parts[inner.flow] = given.children[inner.flow].hash
    return parts
