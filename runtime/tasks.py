"""Single jobs from outside: submitted, listed, counted, cancelled, and taken up again when they were given up."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from pydantic import ValidationError
from temporalio.service import RPCError

from ..actors.errors import NotFound, NotRunning, Rejected, RunFailed
from ..actors.words import sentence
from ..workflows.flow.vocabulary import did_you_mean
from ..workflows.task import TaskInput
from .run_errors import refused
from .runs import LOOKED_THROUGH, RunRef, Runs
from .task_rows import DEAD_LETTERED, STATUSES, TASK, TaskRow, query, row_of

_LOOKED_AT = 1_000  # of the tasks completed last, for statistics
_IDS_AT_ONCE = 100  # in one of Temporal's queries


@dataclass(frozen=True)
class TaskView:
    row: TaskRow
    state: dict[str, Any]  # as the task says it; empty when it could not begin
    reply: Any = None  # of one that was completed
    failure: RunFailed | None = None

    def as_json(self) -> dict[str, Any]:
        told = {**self.state, **self.row.as_json()}
        if self.failure is not None:
            told["error"] = {"type": self.failure.type, "message": self.failure.reason}
        return told | ({"result": self.reply} if self.row.status == "completed" else {})


@dataclass(frozen=True)
class Stats:
    counts: dict[str, int]  # by status
    seconds: dict[str, float]  # from submission to completion, of those completed last: p50, p95, max


@dataclass(frozen=True)
class Tasks:
    runs: Runs

    async def submit(self, given: TaskInput, id: str | None = None, *, again: bool = False) -> RunRef:  # noqa: A002
        """Returns when Temporal has it on disk. `again`: also under the id of a task that was given up."""
        if id is not None and not again:
            await self._refuse_dead_letter(id)
        return await self.runs.start_workflow(TASK, given, id or f"task-{uuid4().hex[:10]}")

    async def list(
        self, *, statuses: Iterable[str] = (), tenant: str | None = None, limit: int = 100
    ) -> Sequence[TaskRow]:
        return await self._found(query(statuses=statuses, tenant=tenant), limit)

    async def dead_letters(self, *, limit: int = 100) -> Sequence[TaskRow]:
        """Those that were given up and not taken up again since."""
        dead = await self.list(statuses=[DEAD_LETTERED], limit=limit)
        newest: dict[str, TaskRow] = {}
        for first in range(0, len(dead), _IDS_AT_ONCE):
            ids = sorted({one.id for one in dead[first : first + _IDS_AT_ONCE]})
            for one in await self._found(query(ids=ids), limit * 10):
                newest[one.id] = max(one, newest.get(one.id, one), key=lambda row: row.started_at)
        return [one for one in dead if newest.get(one.id, one).run_id == one.run_id]

    async def show(self, id: str) -> TaskView:  # noqa: A002
        """With what it says itself: its attempts and their errors."""
        run, row = await self._of(id)
        reply, failure = None, None
        if not row.is_open:
            try:
                reply = await run.result()
            except RunFailed as error:
                failure = error
        state = {} if failure is not None and failure.never_began else await run.state_at_once()
        return TaskView(row, state, reply, failure)

    async def cancel(self, id: str) -> None:  # noqa: A002
        run, row = await self._of(id)
        if not row.is_open:
            raise Rejected(f"{id} has ended ({row.status}): see `resprout task show {id}`.")
        await run.cancel()

    async def replay(self, id: str) -> RunRef:  # noqa: A002
        """Under the same id, with all its attempts anew. Only what has ended, and not well."""
        run, row = await self._of(id)
        if row.is_open or row.status == "completed":
            raise Rejected(f"{id} is {row.status}: only a task that was given up, failed or was cancelled is replayed.")
        if not row.aim:
            raise Rejected(f"{id} never began, its input does not fit: submit another. See `resprout task show {id}`.")
        given = await run.given(TaskInput)
        return await self.submit(given.model_copy(update={"replays": given.replays + 1}), id, again=True)

    async def stats(self) -> Stats:
        counts = await asyncio.gather(*(self._count(status) for status in STATUSES))
        completed = await self.list(statuses=["completed"], limit=_LOOKED_AT)
        lengths = sorted((r.ended_at - r.started_at).total_seconds() for r in completed if r.ended_at is not None)
        return Stats(dict(zip(STATUSES, counts, strict=True)), _summary(lengths))

    async def _refuse_dead_letter(self, id: str) -> None:  # noqa: A002
        """A new task under its id would hide it from the list of dead letters."""
        run = self.runs.get(id)
        if not await run.exists():
            return
        execution = await run.execution()
        if execution.workflow_type == TASK and (await row_of(execution)).status == DEAD_LETTERED:
            raise Rejected(
                f"the task {id} was given up, and is a dead letter: take it up again with `resprout task replay {id}`, "
                "or choose another id. `again` (--again) submits this one in its place."
            )

    async def _count(self, status: str) -> int:
        try:
            return (await self.runs.client.count_workflows(query(statuses=[status]))).count
        except RPCError as error:
            raise NotRunning(f"Temporal does not count its tasks: {error.message}. See `resprout status`.") from None

    async def _found(self, wanted: str, limit: int) -> Sequence[TaskRow]:
        return [await row_of(one) for one in await self.runs.executions(wanted, limit=limit)]

    async def _of(self, id: str) -> tuple[RunRef, TaskRow]:  # noqa: A002
        run = self.runs.get(id)
        if not await run.exists():
            known = [row.id for row in await self.list(limit=LOOKED_THROUGH)]
            said = did_you_mean(id, known, "list them with `resprout task list`.")
            raise NotFound(f"there is no task {id}: {said}")
        try:
            execution = await run.handle.describe()
        except RPCError as error:
            raise refused(id, error) from None
        if execution.workflow_type != TASK:
            raise Rejected(f"{id} is a run of the workflow `{execution.workflow_type}`: see `resprout runs show {id}`.")
        return run, await row_of(execution)


def task_input(*, timeout: timedelta, **words: Any) -> TaskInput:
    """Raises Rejected for what does not fit, in words."""
    try:
        return TaskInput.model_validate({"timeout_seconds": timeout.total_seconds(), **words})
    except ValidationError as error:
        raise Rejected(f"the task cannot be submitted: {sentence(error, TaskInput)}") from None


def _summary(lengths: list[float]) -> dict[str, float]:
    if not lengths:
        return {}
    return {
        "p50": round(lengths[len(lengths) // 2], 3),
        "p95": round(lengths[min(len(lengths) - 1, len(lengths) * 95 // 100)], 3),
        "max": round(lengths[-1], 3),
    }
