"""Finds what can never run: behind a condition that is false for every run, or after one that is always true."""

from typing import Any

from .expressions import ExpressionFailed, evaluate_expression
from .model import Condition, Loop
from .places import Place, Tree
from .problem import Findings, Path
from .references import analyse
from .templates import template


def check_reachable(found: Tree, findings: Findings) -> None:
    for place in found:
        task = place.task
        if task.if_ is not None and constant(task.if_) is False:
            _never(place, ("if",), f"`{place.id}` never runs: its `if` is always false", findings)
        if isinstance(task, Loop) and task.loop.while_ is not None and constant(task.loop.while_) is False:
            _never(place, ("loop", "while"), f"the tasks of `{place.id}` never run: `while` is always false", findings)
        if isinstance(task, Condition):
            _branches(place, task, findings)


def constant(text: str) -> Any:
    """The value of an expression that refers to nothing; None when there is no such value."""
    whole = template(text).whole
    if whole is None or analyse(whole.source).references:
        return None
    try:
        return evaluate_expression(whole.source, {})
    except (ExpressionFailed, ValueError):
        return None


def _never(place: Place, path: Path, message: str, findings: Findings) -> None:
    findings.add((*place.path, *path), message, "mend the condition, or take the tasks out")


def _branches(place: Place, task: Condition, findings: Findings) -> None:
    spec = task.condition
    tests: list[tuple[Path, str | None]] = [(("condition", "then"), spec.if_)]
    tests += [(("condition", "elif", index, "then"), branch.if_) for index, branch in enumerate(spec.elif_)]
    if spec.else_ is not None:
        tests.append((("condition", "else"), None))
    decided = False
    for path, test in tests:
        value = constant(test) if test is not None else None
        if decided:
            _never(place, path, f"this branch of `{place.id}` never runs: one before it always does", findings)
            return
        if value is False:
            _never(place, path, f"this branch of `{place.id}` never runs: its `if` is always false", findings)
        decided = value is True
    if spec.switch is not None and constant(spec.switch) is not None:
        _never(place, ("condition", "switch"), f"`switch` of `{place.id}` has the same value in every run", findings)
