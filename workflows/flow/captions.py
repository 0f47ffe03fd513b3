"""What a drawing says about a task."""

from datetime import timedelta

from ...actors.duration import format_duration
from .model import Approval, Ask, Child, Condition, Emit, Goal, Loop, Parallel, Sandbox, Task, Tool, Wait
from .places import TaskList
from .templates import template

LONGEST = 44


def caption(task: Task) -> str:
    """The name of the task, and what it does."""
    does = " ".join(_does(task).split())
    title = task.name or task.key
    whole = f"{title}: {does}" if does else title
    return whole if len(whole) <= LONGEST else f"{whole[: LONGEST - 1]}…"


def _does(task: Task) -> str:
    match task:
        case Ask():
            return f"{task.ask} → {task.agent}"
        case Goal():
            return f"{_inner(task.agent)}: {task.goal}"
        case Tool():
            return task.tool
        case Child():
            return task.flow
        case Sandbox(sandbox=spec):
            return f"{spec.language or spec.image} in the sandbox"
        case Approval(approval=spec):
            return f"approval by {', '.join(spec.who) or 'anybody'}"
        case Emit(emit=spec):
            return f"emit to {spec.topic}"
        case Wait():
            return _waits(task)
        case _:
            return _block(task)


def _waits(task: Wait) -> str:
    spec = task.wait
    if isinstance(spec.duration, timedelta):
        return f"wait {format_duration(spec.duration)}"
    return f"wait for {spec.signal}" if spec.signal else f"wait until {spec.until}" if spec.until else "wait"


def _block(task: Task) -> str:
    match task:
        case Parallel(parallel=spec):
            most = f", {spec.max} at once" if spec.max else ""
            return "in parallel" + (f", wait for {spec.wait}" if spec.wait != "all" else "") + most
        case Loop(loop=spec):
            if spec.over is not None:
                return f"for each {spec.as_} of {_inner(spec.over) if isinstance(spec.over, str) else len(spec.over)}"
            return f"while {_inner(spec.while_)}" if spec.while_ else f"until {_inner(spec.until or '')}"
        case Condition(condition=spec):
            return f"switch {_inner(spec.switch)}" if spec.switch else f"if {_inner(spec.if_ or '')}"
        case _:
            return ""


def _inner(text: str) -> str:
    whole = template(text).whole
    return whole.source.strip() if whole else text


def list_caption(listed: TaskList, owner: Task) -> str:
    """The name of one of several lists in a task, as in `then` or `case fast`."""
    if listed.role == "case":
        return f"case {listed.path[-1]}"
    if listed.role == "elif" and isinstance(owner, Condition):
        return f"elif {_inner(owner.condition.elif_[int(listed.path[-2])].if_)}"
    return "" if listed.role in {"sequential", "parallel", "do"} and owner.compensate is None else listed.role
