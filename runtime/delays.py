"""Steps that are tried again, and why: Temporal shows the last failure of each step that is under way.

To look costs the run nothing: neither a worker nor its history is asked.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowExecutionDescription

from .run_events import reason

THROTTLED = "Throttled"  # the type of the failure, as activities/call_tool.py gives it
_FROM_THEN = re.compile(r" Try again in [\d.]+ s\.$")  # of the moment at which it failed


@dataclass(frozen=True)
class Delay:
    step: str  # as it is called in the history, by its kind
    is_throttled: bool
    tried: int  # times
    until: datetime | None  # at this moment, if there is none
    why: str

    def __str__(self) -> str:
        again = f"again at {self.until:%H:%M:%S} UTC" if self.until is not None else "and now again"
        if self.is_throttled:
            return f"throttled: {self.why}; it is tried {again}"
        times = "once" if self.tried == 1 else f"{self.tried:,} times"
        return f"`{self.step}` did not go: {self.why}; it was tried {times}, {again}"

    @property
    def news(self) -> object:
        """Of what is tried every few seconds for a day, each time is no news: the reason is, and twice as often."""
        return self.step, self.why, self.tried.bit_length()

    def as_json(self) -> dict[str, object]:
        until = self.until.isoformat() if self.until is not None else None
        return {"step": self.step, "throttled": self.is_throttled, "tried": self.tried, "until": until, "why": self.why}


def delays_of(execution: WorkflowExecutionDescription) -> Iterator[Delay]:
    for step in execution.raw_description.pending_activities:
        if not step.HasField("last_failure"):
            continue
        is_throttled = step.last_failure.application_failure_info.type == THROTTLED
        until = _until(step)
        if until is not None or not is_throttled:
            why = _FROM_THEN.sub("", _why(step.last_failure)).removesuffix(".")
            yield Delay(step.activity_type.name, is_throttled, step.attempt - 1, until, why)


def alike(delays: Iterable[Delay]) -> Iterable[Delay]:
    """One for each reason, the one that was tried most: many branches may wait for the same model."""
    return {(one.step, one.why): one for one in sorted(delays, key=lambda one: one.tried)}.values()


def _until(step: PendingActivityInfo) -> datetime | None:
    if step.state != PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED:
        return None
    known = "next_attempt_schedule_time" if step.HasField("next_attempt_schedule_time") else "scheduled_time"
    moment: datetime = getattr(step, known).ToDatetime(tzinfo=UTC)
    return moment


def _why(failure: Failure) -> str:
    if failure.HasField("timeout_failure_info"):
        return "its worker was lost, or it took too long"
    return reason(failure)
