"""What Temporal kept of a run: all its histories together, and how long each of its steps took."""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle, WorkflowHistoryEventFilterType


@dataclass(frozen=True)
class Kept:
    id: str
    size: int  # bytes
    events: int
    histories: int
    seconds: float  # from the first's start to the last's end


async def kept(client: Client, id: str, first_run_id: str | None) -> Kept:  # noqa: A002
    run_id: str | None = first_run_id
    size = events = histories = 0
    began = ended = None
    while run_id is not None:
        handle = client.get_workflow_handle(id, run_id=run_id)
        description = await handle.describe()
        info = description.raw_description.workflow_execution_info
        size, events, histories = size + info.history_size_bytes, events + info.history_length, histories + 1
        began, ended = began or description.start_time, description.close_time
        run_id = await _next(handle)
    assert began is not None, f"{id} has no history"
    assert ended is not None, f"{id} goes on"
    return Kept(id, size, events, histories, (ended - began).total_seconds())


async def _next(handle: "WorkflowHandle[Any, Any]") -> str | None:
    """The run that it was continued as."""
    closing = WorkflowHistoryEventFilterType.CLOSE_EVENT
    (last,) = [one async for one in handle.fetch_history_events(event_filter_type=closing)]
    return last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id or None


async def steps(handle: "WorkflowHandle[Any, Any]", activity: str) -> list[float]:
    """The seconds of each step of this kind, until the next one was scheduled: all that it costs."""
    scheduled = [one async for one in handle.fetch_history_events() if _is_scheduling(one)]
    return [
        (moment(after) - moment(one)).total_seconds()
        for one, after in pairwise(scheduled)
        if one.activity_task_scheduled_event_attributes.activity_type.name == activity
    ]


async def goes_on(handle: "WorkflowHandle[Any, Any]", killed: int) -> datetime:
    """When the first step ended by the hand of another worker than the process that was killed."""
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.HasField("activity_task_completed_event_attributes"):
            done_by = event.activity_task_completed_event_attributes.identity
            if not done_by.startswith(f"{killed}@"):
                return moment(event)
    raise AssertionError(f"{handle.id} ended before its worker was killed")


def moment(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(UTC)


def _is_scheduling(event: HistoryEvent) -> bool:
    return event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
