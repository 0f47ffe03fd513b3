"""Single jobs from outside: submitted, listed, counted, cancelled, and taken up again when they were given up."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, get_args
from uuid import uuid4

from temporalio.client import WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError

from ..actors.errors import NotFound, NotRunning, Rejected
from ..workflows import search_attributes
from ..workflows.flow.vocabulary import did_you_mean
from ..workflows.task import MEMO, Status, TaskInput
from .run_errors import refused
from .run_rows import ENDED
from .runs import RunRef, Runs

TASK = "task"  # the workflow type
STATUSES: tuple[str, ...] = (*get_args(Status), "terminated", "timed-out")
_LOOKED_AT = 1_000  # of the tasks completed last, for statistics
_BY_TEMPORAL = {"terminated": "Terminated", "timed-out": "TimedOut"}  # what a task cannot say of itself


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


@dataclass(frozen=True)
class Stats:
    counts: dict[str, int]  # by status
    seconds: dict[str, float]  # from submission to completion, of those completed last: p50, p95, max


@dataclass(frozen=True)
class Tasks:
    runs: Runs

    async def submit(self, given: TaskInput, id: str | None = None) -> RunRef:  # noqa: A002
        """Returns when Temporal has it on disk."""
        return await self.runs.start_workflow(TASK, given, id or f"task-{uuid4().hex[:10]}")

    async def list(
        self, *, statuses: Iterable[str] = (), tenant: str | None = None, limit: int = 100
    ) -> Sequence[TaskRow]:
        parts = [_any_of(statuses)] if statuses else []
        if tenant is not None:
            parts.append(f"{search_attributes.TENANT.name} = '{_plain(tenant)}'")
        return await self._found(parts, limit)

    async def dead_letters(self, *, limit: int = 100) -> Sequence[TaskRow]:
        """Those that were given up and not taken up again since."""
        dead = await self.list(statuses=["dead-lettered"], limit=limit)
        names = ", ".join(f"'{_plain(one.id)}'" for one in dead)
        newest: dict[str, TaskRow] = {}
        for one in await self._found([f"WorkflowId IN ({names})"], limit * 10) if dead else []:
            if one.id not in newest or newest[one.id].started_at < one.started_at:
                newest[one.id] = one
        return [one for one in dead if newest.get(one.id, one).run_id == one.run_id]

    async def show(self, id: str) -> tuple[TaskRow, dict[str, Any]]:  # noqa: A002
        """With what it says itself: its attempts and their errors."""
        run, row = await self._of(id)
        return row, await run.state()

    async def cancel(self, id: str) -> None:  # noqa: A002
        run, row = await self._of(id)
        if not row.is_open:
            raise Rejected(f"{id} has ended ({row.status}): see `resprout task show {id}`.")
        await run.cancel()

    async def replay(self, id: str) -> RunRef:  # noqa: A002
        """Under the same id, with all its attempts anew. Only what was dead-lettered, failed or cancelled."""
        run, row = await self._of(id)
        if row.is_open or row.status == "completed":
            raise Rejected(f"{id} is {row.status}: only a task that was given up, failed or was cancelled is replayed.")
        given = await run.given(TaskInput)
        return await self.submit(given.model_copy(update={"replays": given.replays + 1}), id)

    async def stats(self) -> Stats:
        counts = {status: await self._count(status) for status in STATUSES}
        completed = await self.list(statuses=["completed"], limit=_LOOKED_AT)
        lengths = sorted((r.ended_at - r.started_at).total_seconds() for r in completed if r.ended_at is not None)
        return Stats(counts, _summary(lengths))

    async def _count(self, status: str) -> int:
        try:
            found = await self.runs.client.count_workflows(f"WorkflowType = '{TASK}' AND {_any_of([status])}")
        except RPCError as error:
            raise NotRunning(f"Temporal does not count its tasks: {error.message}. See `resprout status`.") from None
        return found.count

    async def _found(self, parts: Sequence[str], limit: int) -> Sequence[TaskRow]:
        query = " AND ".join([f"WorkflowType = '{TASK}'", *parts])
        return [await _row(one) for one in await self.runs.executions(query, limit=limit)]

    async def _of(self, id: str) -> tuple[RunRef, TaskRow]:  # noqa: A002
        run = self.runs.get(id)
        if not await run.exists():
            known = [row.id for row in await self.list(limit=500)]
            said = did_you_mean(id, known, "list them with `resprout task list`.")
            raise NotFound(f"there is no task {id}: {said}")
        try:
            execution = await run.handle.describe()
        except RPCError as error:
            raise refused(id, error) from None
        if execution.workflow_type != TASK:
            raise Rejected(f"{id} is a run of the workflow `{execution.workflow_type}`: see `resprout runs show {id}`.")
        return run, await _row(execution)


async def _row(execution: WorkflowExecution) -> TaskRow:
    told = execution.typed_search_attributes
    about = (await execution.memo()).get(MEMO) or {}
    by_temporal = ENDED.get(execution.status or WorkflowExecutionStatus.RUNNING)
    said = told.get(search_attributes.STATUS) or "pending"
    return TaskRow(
        id=execution.id,
        run_id=execution.run_id,
        status=by_temporal if by_temporal in _BY_TEMPORAL else said,
        aim=about.get("aim", ""),
        message=about.get("message", ""),
        tenant=told.get(search_attributes.TENANT) or "default",
        started_at=execution.start_time,
        ended_at=execution.close_time,
    )


def _any_of(statuses: Iterable[str]) -> str:
    return f"({' OR '.join(_one(status) for status in statuses)})"


def _one(status: str) -> str:
    if status not in STATUSES:
        known = did_you_mean(status, STATUSES, f"one of {', '.join(STATUSES)}")
        raise Rejected(f"--status {status}: there is no such status; {known}")
    if status in _BY_TEMPORAL:
        return f"ExecutionStatus = '{_BY_TEMPORAL[status]}'"
    said = f"{search_attributes.STATUS.name} = '{status}'"
    return f"({said} AND ExecutionStatus != 'Terminated' AND ExecutionStatus != 'TimedOut')"


def _plain(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _summary(lengths: list[float]) -> dict[str, float]:
    if not lengths:
        return {}
    return {
        "p50": round(lengths[len(lengths) // 2], 3),
        "p95": round(lengths[min(len(lengths) - 1, len(lengths) * 95 // 100)], 3),
        "max": round(lengths[-1], 3),
    }
