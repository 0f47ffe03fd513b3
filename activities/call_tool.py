"""The activities around tools: calling one, and saying what became of a call that was in doubt.

A call's key is given by the workflow and the same for each time that the step is tried, also in a run that was carried
over into a new history while a person was asked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from ..actors.errors import Broken, NotFound, Rejected
from .attempt import Attempt
from .contracts import CALL_TOOL, RESOLVE_EFFECT, ResolveInput, ToolDone, ToolInput, ToolOutput
from .results_aside import Keep, aside
from .tools.calling import Throttled, ToolCaller
from .tools.counted import CallsLeft, counted
from .tools.doubts import Doubts
from .tools.outcomes import RecordedFailure


class CallTool:
    def __init__(self, caller: ToolCaller, doubts: Doubts, budgets: CallsLeft, keep: Keep) -> None:
        self.caller = caller
        self.doubts = doubts
        self.budgets = budgets
        self.keep = keep

    @activity.defn(name=CALL_TOOL)
    async def call(self, request: ToolInput) -> ToolOutput:
        run = activity.info().workflow_id or ""  # an activity without a workflow is none of a run
        structlog.contextvars.bind_contextvars(run=run)
        attempt = Attempt()
        caller = replace(self.caller, is_leaving=lambda: not attempt.was_called_off)
        with _told():
            call = counted(self.budgets, request, lambda: caller.call(request, run))
            result = await attempt.until_done(call)
            if isinstance(result, ToolDone) and request.aside_over is not None:
                result = await aside(result, request.aside_over, self.keep)
            return ToolOutput(result=result)

    @activity.defn(name=RESOLVE_EFFECT)
    async def resolve(self, request: ResolveInput) -> None:
        with _told():
            await self.doubts.resolve(request)


@contextmanager
def _told() -> Iterator[None]:
    """As Temporal is told: what is for good is not tried again, what is throttled later."""
    try:
        yield
    except Throttled as error:
        raise ApplicationError(str(error), type="Throttled", next_retry_delay=error.retry_after) from None
    except RecordedFailure as error:
        raise ApplicationError(str(error), type=error.kind, non_retryable=True) from None
    except (Rejected, Broken, NotFound) as error:
        raise ApplicationError(str(error), type=type(error).__name__, non_retryable=True) from None
