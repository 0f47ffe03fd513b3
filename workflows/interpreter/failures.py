"""How a task fails: one exception inside the interpreter, whatever was the cause; as `error` in the flow."""

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    FailureError,
    is_cancelled_exception,
)
from temporalio.exceptions import TimeoutError as TookTooLong

from ..flow import ExpressionFailed
from ..flow.error_types import (
    BUDGET,
    CANCELLED,
    DEFECT,
    ID_TAKEN,
    LOOP_LIMIT,
    REFUSED,
    REJECTED,
    ROLE_REJECTED,
    TIMEOUT,
    TOO_FEW,
    TOO_LARGE,
    TOOL_REJECTED,
    UNFINISHED,
    UNFIT,
    UNUSABLE,
)

__all__ = [
    "BUDGET",
    "CANCELLED",
    "DEFECT",
    "HOPELESS",
    "ID_TAKEN",
    "LOOP_LIMIT",
    "REFUSED",
    "TIMEOUT",
    "TOO_FEW",
    "TOO_LARGE",
    "UNFINISHED",
    "UNFIT",
    "UNUSABLE",
    "TaskFailed",
    "failure_of",
]

# Trying the same again gives the same.
HOPELESS = (
    REJECTED
    | TOOL_REJECTED
    | ROLE_REJECTED
    | {ExpressionFailed.__name__, LOOP_LIMIT, BUDGET, UNFINISHED, REFUSED, UNFIT, DEFECT, "BadInput"}
)


class TaskFailed(Exception):
    """A task of the flow has failed for good; what is around it may catch it."""

    def __init__(self, type: str, message: str, task: str) -> None:  # noqa: A002 - as the flow says it
        super().__init__(type, message, task)
        self.type = type
        self.message = message
        self.task = task

    def __str__(self) -> str:
        return f"the task `{self.task}` failed ({self.type}): {self.message}"

    def as_json(self) -> dict[str, Any]:
        return {"type": self.type, "message": self.message, "task": self.task}

    @classmethod
    def of(cls, value: dict[str, Any]) -> "TaskFailed":
        return cls(value["type"], value["message"], value["task"])


def failure_of(error: Exception, task: str) -> TaskFailed:
    """Raises CancelledError when it is being cancelled: else a `catch` would take the failure, and the run go on."""
    if _is_being_cancelled():
        raise asyncio.CancelledError from None
    if is_cancelled_exception(error):
        return TaskFailed(CANCELLED, "it was cancelled from outside.", task)
    match error:
        case TaskFailed():
            return error
        case ExpressionFailed():
            return TaskFailed(ExpressionFailed.__name__, str(error), task)
        case ActivityError() | ChildWorkflowError():
            return _caused(error, task)
        case TimeoutError():
            return TaskFailed(TIMEOUT, "it took longer than it may.", task)
        case _:
            workflow.logger.error("a defect in the task %s", task, exc_info=error)
            told = f"{type(error).__name__}: {error}"
            return TaskFailed(DEFECT, f"a defect of Resprout's ({told}); the worker's log says where. Report it.", task)


def _is_being_cancelled() -> bool:
    """Temporal says of a cancelled step that it failed; whether we cancelled it, the task that waited for it knows."""
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0


def _caused(error: FailureError, task: str) -> TaskFailed:
    cause = error.cause
    match cause:
        case ApplicationError(type="DeadlinePassed") | TookTooLong():
            return TaskFailed(TIMEOUT, "no answer came in time.", task)
        case ApplicationError():
            return TaskFailed(cause.type or "Failed", cause.message, task)
        case FailureError():
            return TaskFailed(type(cause).__name__, cause.message, task)
        case _:
            return TaskFailed(type(error).__name__, error.message, task)
