"""One attempt at a step: it heartbeats while its work goes on, and decides what becomes of that when it is cancelled.

The rule: work is ended only when somebody wants the step to end. A worker that stood still for some seconds is told
that its attempt is over, too: then Temporal has given the step to another attempt, which waits for what this work says
or comes back to it. To end the work, or to write down that it was cancelled, would be the answer of a healthy step. So
it goes on without an attempt, until it has ended by itself, a later attempt here hears that nobody wants the step any
more, or this process ends.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import activity
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from ..actors.logger import get_logger

T = TypeVar("T")

HEARTBEAT = timedelta(seconds=1)
ANSWERS = timedelta(seconds=5)
CANCEL_REQUESTED = PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED

log = get_logger("resprout.activities")


class Attempt:
    """Of the activity that runs now."""

    def __init__(self) -> None:
        step = activity.info()
        self.step = (step.workflow_run_id, step.activity_id)
        self.was_called_off = False

    async def until_done(self, work: Awaitable[T], told: Callable[[], Sequence[Any]] = tuple) -> T:
        """Without heartbeats, Temporal learns of a killed worker only when the whole step times out."""
        task = asyncio.ensure_future(work)
        try:
            # The first one only when it takes that long: a heartbeat is a call to Temporal, and most steps need none.
            while not (await asyncio.wait({task}, timeout=HEARTBEAT.total_seconds()))[0]:
                activity.heartbeat(*told())
            return task.result()
        except asyncio.CancelledError:
            self.was_called_off = await is_called_off()
            if not (task.done() or self.was_called_off or _worker_leaves()):
                self._let_go_on(task)
            raise
        finally:
            if task not in _going_on:
                task.cancel()
                # Then what it started is gone, or is left alone on purpose.
                await asyncio.wait({task, *(self._earlier_called_off() if self.was_called_off else ())})

    def _let_go_on(self, task: asyncio.Future[Any]) -> None:
        log.warning("an attempt was given to another worker: what it does goes on", step=self.step[1])
        _going_on[task] = self
        task.add_done_callback(_ended)

    def _earlier_called_off(self) -> list[asyncio.Future[Any]]:
        """What goes on of the same step. It is told once: it may be cleaning up."""
        theirs = {task: earlier for task, earlier in _going_on.items() if earlier.step == self.step}
        for task, earlier in theirs.items():
            if not earlier.was_called_off:
                earlier.was_called_off = True
                task.cancel()
        return list(theirs)


_going_on: dict[asyncio.Future[Any], Attempt] = {}  # of this process; asyncio itself would forget them


async def is_called_off() -> bool:
    """Somebody wants the cancelled step to end: neither does the worker leave, nor has another attempt the step."""
    details = activity.cancellation_details()
    if details is None or details.worker_shutdown:
        return False
    if details.cancel_requested:
        return True
    return (details.not_found or details.timed_out) and not await _is_wanted()


@asynccontextmanager
async def none_left_behind() -> AsyncIterator[None]:
    """At its end the process ends, and with it what goes on in it. Whoever has the step finds how far it came."""
    try:
        yield
    finally:
        for task, attempt in _going_on.items():
            if not attempt.was_called_off:
                task.cancel()
        await asyncio.gather(*_going_on, return_exceptions=True)


def _worker_leaves() -> bool:
    details = activity.cancellation_details()
    return details is None or details.worker_shutdown


async def _is_wanted() -> bool:
    """A run that was cancelled may have closed before its steps were told: they hear what one hears that is over.

    So it is asked.
    """
    step = activity.info()
    try:
        handle = activity.client().get_workflow_handle(step.workflow_id or "", run_id=step.workflow_run_id)
        run = await handle.describe(rpc_timeout=ANSWERS)
    except RPCError as error:
        return error.status is not RPCStatusCode.NOT_FOUND  # who cannot be asked may want it
    wanted = {one.activity_id for one in run.raw_description.pending_activities if one.state != CANCEL_REQUESTED}
    return run.status is WorkflowExecutionStatus.RUNNING and step.activity_id in wanted


def _ended(task: asyncio.Future[Any]) -> None:
    _going_on.pop(task, None)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("what went on without its attempt failed", error=str(error))
