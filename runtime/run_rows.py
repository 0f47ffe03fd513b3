"""A run as Temporal's lists tell it, and how it is found there."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from temporalio.client import WorkflowExecution, WorkflowExecutionStatus

from ..actors.errors import Rejected
from ..workflows import search_attributes
from ..workflows.flow.vocabulary import did_you_mean

RUNNING = ("running", "paused", "waiting")  # as the run itself says
ENDED = {
    WorkflowExecutionStatus.COMPLETED: "completed",
    WorkflowExecutionStatus.FAILED: "failed",
    WorkflowExecutionStatus.CANCELED: "cancelled",
    WorkflowExecutionStatus.TERMINATED: "terminated",
    WorkflowExecutionStatus.TIMED_OUT: "timed-out",
}
_IN_QUERIES = {
    "completed": "Completed",
    "failed": "Failed",
    "cancelled": "Canceled",
    "terminated": "Terminated",
    "timed-out": "TimedOut",
}
STATUSES = (*RUNNING, *_IN_QUERIES)


@dataclass(frozen=True)
class RunRow:
    id: str
    run_id: str
    status: str  # one of STATUSES; of another workflow than a flow's, what that says
    flow: str
    version: str | None
    tenant: str
    tags: tuple[str, ...]
    started_at: datetime
    ended_at: datetime | None
    parent: str | None  # the run that started it as a child flow
    kind: str  # the workflow type

    @property
    def is_open(self) -> bool:
        return self.status not in _IN_QUERIES

    def as_json(self) -> dict[str, Any]:
        ended = self.ended_at.isoformat() if self.ended_at else None
        of_json = {"tags": list(self.tags), "started_at": self.started_at.isoformat(), "ended_at": ended}
        return {**asdict(self), **of_json}


def row_of(execution: WorkflowExecution) -> RunRow:
    told = execution.typed_search_attributes
    said = told.get(search_attributes.STATUS)
    return RunRow(
        id=execution.id,
        run_id=execution.run_id,
        # Between two histories of a long run, Temporal says of the first that it was continued: the run goes on.
        status=ENDED.get(execution.status or WorkflowExecutionStatus.RUNNING, said or "running"),
        flow=told.get(search_attributes.FLOW) or "",
        version=told.get(search_attributes.VERSION),
        tenant=told.get(search_attributes.TENANT) or "default",
        tags=tuple(told.get(search_attributes.TAGS) or ()),
        started_at=execution.start_time,
        ended_at=execution.close_time,
        parent=execution.parent_id,
        kind=execution.workflow_type,
    )


def query(
    *,
    kinds: Iterable[str] = ("flow", "agent"),
    statuses: Iterable[str] = (),
    flow: str | None = None,
    tags: Iterable[str] = (),
    tenant: str | None = None,
    children: bool = False,
) -> str:
    """In the language of Temporal's lists. Raises Rejected for a status that there is not."""
    types = " OR ".join(f"WorkflowType = '{kind}'" for kind in kinds)
    parts = [f"({types})", "ExecutionStatus != 'ContinuedAsNew'"]
    wanted = [_status(status) for status in statuses]
    if wanted:
        parts.append(f"({' OR '.join(wanted)})")
    given = [(search_attributes.FLOW.name, flow), (search_attributes.TENANT.name, tenant)]
    given += [(search_attributes.TAGS.name, tag) for tag in tags]
    parts += [f"{name} = {_quoted(value)}" for name, value in given if value is not None]
    if not children:
        parts.append("ParentWorkflowId IS NULL")
    return " AND ".join(parts)


def _status(status: str) -> str:
    if status in _IN_QUERIES:
        return f"ExecutionStatus = '{_IN_QUERIES[status]}'"
    if status in RUNNING:
        return f"(ExecutionStatus = 'Running' AND {search_attributes.STATUS.name} = '{status}')"
    raise Rejected(
        f"--status {status}: there is no such status; {did_you_mean(status, STATUSES, 'one of ' + ', '.join(STATUSES))}"
    )


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
