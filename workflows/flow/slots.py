"""The values of a task that may hold expressions, and the moment at which each is evaluated."""

from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple

from .model import Approval, Ask, Child, Condition, Emit, Goal, Loop, Sandbox, Task, Tool, Wait
from .problem import Path


class Moment(Enum):
    BEFORE = "before the task starts"
    WHILE = "before each round"
    UNTIL = "after each round"
    AFTER = "after the task"


class Slot(NamedTuple):
    path: Path
    """The place below the task."""
    value: Any
    wants: str | None = None
    """The JSON type that the value must have; then it must be one expression."""
    moment: Moment = Moment.BEFORE


def slots(task: Task) -> Iterator[Slot]:
    """Every value of the task, without those of the tasks inside it."""
    if task.if_ is not None:
        yield Slot(("if",), task.if_, "boolean")
    if task.cache is not None:
        yield Slot(("cache", "key"), task.cache.key)
    if task.save is not None:
        yield Slot(("save", "to"), task.save.to, moment=Moment.AFTER)
        yield Slot(("save", "value"), task.save.value, moment=Moment.AFTER)
    yield from _own(task)


SANDBOX_SLOTS = ("code", "run", "files", "env", "secrets", "stdin")
_IN_BLOCKS = {
    "sandbox": SANDBOX_SLOTS,
    "approval": ("who", "show"),
    "wait": ("duration", "until"),
    "emit": ("topic", "data"),
}


def _own(task: Task) -> Iterator[Slot]:
    match task:
        case Ask():
            yield Slot(("agent",), task.agent)
        case Goal():
            yield Slot(("agent",), task.agent)
            yield Slot(("goal",), task.goal)
        case Condition():
            yield from _of_condition(task)
        case Loop():
            yield from _of_loop(task)
        case Sandbox() | Approval() | Wait() | Emit():
            for word in _IN_BLOCKS[task.word]:
                yield Slot((task.word, word), getattr(getattr(task, task.word), word))
        case _:
            pass
    if isinstance(task, Ask | Goal | Tool | Child):
        yield Slot(("with",), task.with_)


def _of_condition(task: Condition) -> Iterator[Slot]:
    spec = task.condition
    if spec.if_ is not None:
        yield Slot(("condition", "if"), spec.if_, "boolean")
    for index, branch in enumerate(spec.elif_):
        yield Slot(("condition", "elif", index, "if"), branch.if_, "boolean")
    if spec.switch is not None:
        yield Slot(("condition", "switch"), spec.switch, "any")


def _of_loop(task: Loop) -> Iterator[Slot]:
    spec = task.loop
    if isinstance(spec.over, str):
        yield Slot(("loop", "over"), spec.over, "array")
    elif spec.over is not None:
        yield Slot(("loop", "over"), spec.over)
    if spec.while_ is not None:
        yield Slot(("loop", "while"), spec.while_, "boolean", Moment.WHILE)
    if spec.until is not None:
        yield Slot(("loop", "until"), spec.until, "boolean", Moment.UNTIL)
