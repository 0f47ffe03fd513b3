"""A task as Temporal's lists tell it, and how it is found there."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from temporalio.client import WorkflowExecution

from ..actors.errors import Rejected
from ..workflows import search_attributes
from ..workflows.flow.vocabulary import did_you_mean
from ..workflows.task import MEMO
from .run_rows import ENDED

TASK = "task"  # the workflow type
DEAD_LETTERED = "dead-lettered"

_SAID = search_attributes.STATUS.name
# How it ended is Temporal's to say: a task whose input does not fit, or that was terminated, has said nothing itself.
_IN_QUERIES = {
    "pending": f"(ExecutionStatus = 'Running' AND ({_SAID} = 'pending' OR {_SAID} IS NULL))",
    "routing": f"(ExecutionStatus = 'Running' AND {_SAID} = 'routing')",
    "executing": f"(ExecutionStatus = 'Running' AND {_SAID} = 'executing')",
    "completed": "ExecutionStatus = 'Completed'",
    "failed": f"(ExecutionStatus = 'Failed' AND ({_SAID} != '{DEAD_LETTERED}' OR {_SAID} IS NULL))",
    "cancelled": "ExecutionStatus = 'Canceled'",
    DEAD_LETTERED: f"(ExecutionStatus = 'Failed' AND {_SAID} = '{DEAD_LETTERED}')",
    "terminated": "ExecutionStatus = 'Terminated'",
    "timed-out": "ExecutionStatus = 'TimedOut'",
}
STATUSES = tuple(_IN_QUERIES)


@dataclass(frozen=True)
class TaskRow:
    id: str
    run_id: str
    status: str  # one of STATUSES
    aim: str
    message: str
    tenant: str
    started_at: datetime
    ended_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.ended_at is None

    def as_json(self) -> dict[str, Any]:
        ended = self.ended_at.isoformat() if self.ended_at else None
        return {**asdict(self), "started_at": self.started_at.isoformat(), "ended_at": ended}


async def row_of(execution: WorkflowExecution) -> TaskRow:
    about = (await execution.memo()).get(MEMO) or {}
    return TaskRow(
        id=execution.id,
        run_id=execution.run_id,
        status=_status(execution),
        aim=about.get("aim", ""),
        message=about.get("message", ""),
        tenant=execution.typed_search_attributes.get(search_attributes.TENANT) or "default",
        started_at=execution.start_time,
        ended_at=execution.close_time,
    )


def _status(execution: WorkflowExecution) -> str:
    said = execution.typed_search_attributes.get(search_attributes.STATUS) or "pending"
    ended = ENDED.get(execution.status) if execution.status is not None else None
    if ended is None or (ended == "failed" and said == DEAD_LETTERED):
        return said
    return ended


def query(*, statuses: Iterable[str] = (), tenant: str | None = None, ids: Sequence[str] = ()) -> str:
    parts = [f"WorkflowType = '{TASK}'"]
    if wanted := [_in_query(status) for status in statuses]:
        parts.append(f"({' OR '.join(wanted)})")
    if tenant is not None:
        parts.append(f"{search_attributes.TENANT.name} = {_quoted(tenant)}")
    if ids:
        parts.append(f"WorkflowId IN ({', '.join(_quoted(one) for one in ids)})")
    return " AND ".join(parts)


def _in_query(status: str) -> str:
    if status not in _IN_QUERIES:
        known = did_you_mean(status, STATUSES, f"one of {', '.join(STATUSES)}.")
        raise Rejected(f"--status {status}: there is no such status; {known}")
    return _IN_QUERIES[status]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
