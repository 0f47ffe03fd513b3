"""What Temporal says when something does not go, in our words. Each sentence names the run and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from temporalio.client import (
    WorkflowFailureError,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError, CancelledError, FailureError, TerminatedError
from temporalio.exceptions import TimeoutError as TookTooLong
from temporalio.service import RPCError, RPCStatusCode

from ..actors.errors import NotFound, NotRunning, OutcomeUnknown, Rejected, RunFailed

# How long a worker may take to answer; without one Temporal itself says so only after a minute.
ANSWER_WITHIN = timedelta(seconds=10)

AWAY = {RPCStatusCode.UNAVAILABLE, RPCStatusCode.UNKNOWN, RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED}
_LATE = {RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.FAILED_PRECONDITION}


@contextmanager
def asking(run: str) -> Iterator[None]:
    """Around a question that a worker must answer: a query."""
    try:
        yield
    except WorkflowQueryFailedError as error:
        raise Rejected(f"{run} cannot answer that: {error}. Is it the run of a flow?") from None
    except RPCError as error:
        if error.status in _LATE:
            raise no_worker(run) from None
        raise refused(run, error) from None


@contextmanager
def telling(run: str) -> Iterator[None]:
    """Around something that is said to a run, and that a worker must take: an update."""
    try:
        yield
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        raise Rejected(f"{run}: {cause.message if isinstance(cause, FailureError) else cause}") from None
    except WorkflowUpdateRPCTimeoutOrCancelledError:
        raise OutcomeUnknown(
            f"no worker has taken this for {run} within {ANSWER_WITHIN.total_seconds():.0f} s. Is one running? See "
            f"`resprout status`, start one with `resprout up` or `resprout worker`, and say it again."
        ) from None
    except RPCError as error:
        raise refused(run, error) from None


def no_worker(run: str) -> NotRunning:
    return NotRunning(
        f"no worker answers for {run} within {ANSWER_WITHIN.total_seconds():.0f} s: Temporal has the run, and only a "
        "worker can say where it is. See `resprout status`, and start one with `resprout up` or `resprout worker`."
    )


def refused(run: str, error: RPCError) -> NotFound | NotRunning | Rejected:
    if error.status == RPCStatusCode.NOT_FOUND:
        if "already completed" in error.message:
            return NotFound(f"{run} has ended: see `resprout runs show {run}`.")
        return NotFound(f"there is no run {run}: list them with `resprout runs list`.")
    if error.status in AWAY:
        return NotRunning(f"Temporal does not answer about {run} ({error.message}). See `resprout status`.")
    return Rejected(f"Temporal refuses this for {run}: {error.message}.")


def failure(run: str, error: WorkflowFailureError) -> RunFailed:
    match error.cause:
        case ApplicationError() as cause:
            told = cause.details[0] if cause.details and isinstance(cause.details[0], dict) else {}
            return RunFailed(run, "failed", cause.message, cause.type, told.get("task"), told.get("agent"))
        case CancelledError():
            return RunFailed(run, "cancelled", "")
        case TerminatedError() as cause:
            return RunFailed(run, "terminated", cause.message)
        case TookTooLong():
            return RunFailed(run, "timed-out", "it took longer than Temporal was told to let it.")
        case cause:
            return RunFailed(run, "failed", str(cause))


def not_of_an_agent(run: str, kind: str) -> Rejected:
    what = "a flow" if kind == "flow" else f"the workflow `{kind}`"
    return Rejected(f"{run} is a run of {what}, not of an agent: only an agent has a conversation to go on with.")


def not_of_a_flow(run: str, kind: str) -> Rejected:
    if kind == "agent":
        return Rejected(f"{run} is a run of an agent, not of a flow: go on with it by `resprout runs continue {run}`.")
    if kind == "task":
        ways = f"see `resprout task show {run}`, end it with `resprout task cancel {run}`"
        return Rejected(f"{run} is a task, not a run of a flow: {ways}.")
    return Rejected(f"{run} is a run of the workflow `{kind}`, not of a flow: look at it in Temporal's UI.")
