"""Temporal's history of a run in words: what happened when, without what only Temporal's own machinery does."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from .runs import RunRef

_ATTRIBUTES = "_event_attributes"


@dataclass(frozen=True)
class Event:
    at: datetime
    what: str
    about: str  # the step, the child flow, the signal …
    note: str = ""  # why

    def as_json(self) -> dict[str, Any]:
        return {"at": self.at.isoformat(), "what": self.what, "about": self.about, "note": self.note}


async def events(run: RunRef) -> AsyncIterator[Event]:
    """Also of the earlier histories of a long run."""
    async for history in run.histories():
        reader = _Reader()
        async for event in history.fetch_history_events():
            told = reader.read(event)
            if told is not None:
                yield told


@dataclass
class _Reader:
    """Reads one history; an end refers to its beginning by number."""

    steps: dict[int, str] = field(default_factory=dict)

    def read(self, event: HistoryEvent) -> Event | None:
        name = (event.WhichOneof("attributes") or "").removesuffix(_ATTRIBUTES)
        words = _WORDS.get(name)
        if words is None:
            return None
        what, about = words
        attributes = getattr(event, name + _ATTRIBUTES)
        at = event.event_time.ToDatetime(tzinfo=UTC)
        text = about(self, event, attributes)
        if text is None:
            return None
        self.steps[event.event_id] = text
        note = reason(attributes.failure) if "failure" in attributes.DESCRIPTOR.fields_by_name else ""
        return Event(at, what, text, note or getattr(attributes, "reason", ""))

    def begun(self, event: HistoryEvent, attributes: Any) -> str:
        """A step, by its summary."""
        summary = event.user_metadata.summary.data
        return str(json.loads(summary)) if summary else _kind(attributes)

    def ended(self, event: HistoryEvent, attributes: Any) -> str:
        for number in ("scheduled_event_id", "initiated_event_id", "started_event_id"):
            step = self.steps.get(getattr(attributes, number, 0))
            if step is not None:
                return step
        return ""

    def child(self, event: HistoryEvent, attributes: Any) -> str:
        return str(getattr(attributes, "workflow_id", "") or attributes.workflow_execution.workflow_id)

    def signal(self, event: HistoryEvent, attributes: Any) -> str:
        return str(attributes.signal_name)

    def update(self, event: HistoryEvent, attributes: Any) -> str:
        return str(attributes.accepted_request.input.name)

    def retried(self, event: HistoryEvent, attributes: Any) -> str | None:
        """The start of a step is news only when it is not the first."""
        return f"{self.ended(event, attributes)} (attempt {attributes.attempt})" if attributes.attempt > 1 else None

    def timer(self, event: HistoryEvent, attributes: Any) -> str:
        seconds = attributes.start_to_fire_timeout.ToTimedelta().total_seconds()
        summary = event.user_metadata.summary.data
        return f"{str(json.loads(summary)) + ': ' if summary else ''}{seconds:g} s"

    def run(self, event: HistoryEvent, attributes: Any) -> str:
        return ""


def _kind(attributes: Any) -> str:
    return str(attributes.activity_type.name)


def reason(failure: Failure) -> str:
    """The innermost message: those around it only say where it passed."""
    while failure.HasField("cause"):
        failure = failure.cause
    return failure.message


_WORDS: dict[str, tuple[str, Callable[[_Reader, HistoryEvent, Any], str | None]]] = {
    "workflow_execution_started": ("started", _Reader.run),
    "workflow_execution_completed": ("completed", _Reader.run),
    "workflow_execution_failed": ("failed", _Reader.run),
    "workflow_execution_canceled": ("cancelled", _Reader.run),
    "workflow_execution_terminated": ("terminated", _Reader.run),
    "workflow_execution_timed_out": ("timed out", _Reader.run),
    "workflow_execution_cancel_requested": ("is asked to end", _Reader.run),
    "workflow_execution_continued_as_new": ("goes on in a new history", _Reader.run),
    "workflow_execution_signaled": ("signal", _Reader.signal),
    "workflow_execution_update_accepted": ("told", _Reader.update),
    "workflow_task_failed": ("cannot go on", _Reader.run),
    "activity_task_scheduled": ("step begins", _Reader.begun),
    "activity_task_started": ("step is tried again", _Reader.retried),
    "activity_task_completed": ("step is done", _Reader.ended),
    "activity_task_failed": ("step failed", _Reader.ended),
    "activity_task_timed_out": ("step timed out", _Reader.ended),
    "activity_task_cancel_requested": ("step is asked to end", _Reader.ended),
    "activity_task_canceled": ("step is cancelled", _Reader.ended),
    "timer_started": ("waits", _Reader.timer),
    "timer_fired": ("has waited", _Reader.ended),
    "timer_canceled": ("waits no more", _Reader.ended),
    "child_workflow_execution_started": ("child flow begins", _Reader.child),
    "start_child_workflow_execution_failed": ("child flow cannot begin", _Reader.child),
    "child_workflow_execution_completed": ("child flow is done", _Reader.child),
    "child_workflow_execution_failed": ("child flow failed", _Reader.child),
    "child_workflow_execution_canceled": ("child flow is cancelled", _Reader.child),
    "child_workflow_execution_terminated": ("child flow is terminated", _Reader.child),
}
