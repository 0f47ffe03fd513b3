"""Calls of tools that wait until they are tried again, and why: Temporal shows the last failure of each step that is
under way.

To look costs the run nothing: neither a worker nor its history is asked.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import WorkflowExecutionDescription

from ..activities.contracts import CALL_TOOL
from .run_events import reason

THROTTLED = "Throttled"  # the type of the failure, as activities/call_tool.py gives it
_FROM_THEN = re.compile(r" Try again in [\d.]+ s\.$")  # of the moment at which it failed


@dataclass(frozen=True)
class Delay:
    is_throttled: bool
    until: datetime
    why: str

    def __str__(self) -> str:
        what = "throttled" if self.is_throttled else "it did not go"
        return f"{what}: {self.why.removesuffix('.')}; it is tried again at {self.until:%H:%M:%S} UTC"

    def as_json(self) -> dict[str, object]:
        return {"throttled": self.is_throttled, "until": self.until.isoformat(), "why": self.why}


def delays_of(execution: WorkflowExecutionDescription) -> Iterator[Delay]:
    for step in execution.raw_description.pending_activities:
        waits = step.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED and step.HasField("last_failure")
        if step.activity_type.name == CALL_TOOL and waits:
            known = "next_attempt_schedule_time" if step.HasField("next_attempt_schedule_time") else "scheduled_time"
            yield Delay(
                step.last_failure.application_failure_info.type == THROTTLED,
                getattr(step, known).ToDatetime(tzinfo=UTC),
                _FROM_THEN.sub("", reason(step.last_failure)),
            )
