"""Flows that start by themselves: Temporal's schedules, with what a person said about them kept beside.

Temporal turns a cron text into its own calendars and forgets the text, so ours is in the schedule's memo.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleInfo,
    ScheduleIntervalSpec,
    ScheduleListDescription,
    ScheduleListInfo,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from ..actors.duration import format_duration
from ..actors.errors import NotFound, NotRunning, Rejected
from ..actors.logger import get_logger
from ..workflows.flow.vocabulary import nearest
from ..workflows.interpreter.run_input import RunInput
from .run_errors import AWAY
from .runs import FLOW
from .settings import TemporalSettings

Overlap = Literal["skip", "buffer", "allow", "cancel"]
_POLICIES = {
    "skip": ScheduleOverlapPolicy.SKIP,
    "buffer": ScheduleOverlapPolicy.BUFFER_ONE,
    "allow": ScheduleOverlapPolicy.ALLOW_ALL,
    "cancel": ScheduleOverlapPolicy.CANCEL_OTHER,
}
MEMO = "resprout"

log = get_logger("resprout.schedules")


class Timing(BaseModel):
    """When a flow starts, in the words of the person who said so."""

    model_config = ConfigDict(frozen=True)

    flow: str = ""
    cron: str | None = None
    every: timedelta | None = None
    jitter: timedelta | None = None
    overlap: Overlap = "skip"  # what happens at a start while the run before goes on

    def __str__(self) -> str:
        when = self.cron if self.cron is not None else f"every {format_duration(self.every or timedelta(0))}"
        return f"{when}, up to {format_duration(self.jitter)} later" if self.jitter else when


@dataclass(frozen=True)
class ScheduleRow:
    id: str
    flow: str
    when: str
    overlap: str
    paused: bool
    note: str | None  # why it is paused
    next: tuple[datetime, ...]
    recent: tuple[str, ...] = field(default=())  # ids of runs

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "next": [moment.isoformat() for moment in self.next]}


@dataclass(frozen=True)
class Schedules:
    client: Client
    settings: TemporalSettings

    async def create(self, id: str, given: RunInput, timing: Timing) -> ScheduleRow:  # noqa: A002
        """Each start is a run of its own, whose id is that of the schedule with the time."""
        schedule = Schedule(
            action=ScheduleActionStartWorkflow(FLOW, given, id=id, task_queue=self.settings.task_queue),
            spec=ScheduleSpec(
                cron_expressions=[timing.cron] if timing.cron is not None else [],
                intervals=[ScheduleIntervalSpec(every=timing.every)] if timing.every is not None else [],
                jitter=timing.jitter,
            ),
            policy=SchedulePolicy(overlap=_POLICIES[timing.overlap]),
        )
        try:
            handle = await self.client.create_schedule(id, schedule, memo={MEMO: timing.model_dump(mode="json")})
        except ScheduleAlreadyRunningError:
            raise Rejected(
                f"there is a schedule {id!r} already: choose another --id, or `resprout schedules delete {id}` first."
            ) from None
        except RPCError as error:
            raise self._refused(id, error, str(timing)) from None
        return await _described(await handle.describe())

    async def list(self, *, limit: int = 100) -> list[ScheduleRow]:
        rows: list[ScheduleRow] = []
        async with self._asking(""):
            async for one in await self.client.list_schedules():
                if MEMO in await one.memo():
                    rows.append(await _described(one))
                if len(rows) == limit:
                    break
        return rows

    async def show(self, id: str) -> ScheduleRow:  # noqa: A002
        async with self._asking(id):
            return await _described(await self._handle(id).describe())

    async def pause(self, id: str, note: str) -> None:  # noqa: A002
        async with self._asking(id):
            await self._handle(id).pause(note=note)

    async def resume(self, id: str) -> None:  # noqa: A002
        async with self._asking(id):
            await self._handle(id).unpause()

    async def trigger(self, id: str) -> None:  # noqa: A002
        """Starts a run now, whatever the schedule says; also beside one that goes on."""
        async with self._asking(id):
            await self._handle(id).trigger(overlap=ScheduleOverlapPolicy.ALLOW_ALL)

    async def delete(self, id: str) -> None:  # noqa: A002
        """Runs that it started go on."""
        async with self._asking(id):
            await self._handle(id).delete()

    async def read_inputs(self) -> None:
        """Reads what the runs of each schedule will be given. One that cannot be read keeps nothing from the others."""
        async with self._asking(""):
            async for one in await self.client.list_schedules():
                action = (await self._handle(one.id).describe()).schedule.action if MEMO in await one.memo() else None
                if isinstance(action, ScheduleActionStartWorkflow):
                    try:
                        await self.client.data_converter.decode(action.args)
                    except ApplicationError as error:  # it is kept in another Postgres, or gone
                        log.warning("what a schedule starts cannot be read", schedule=one.id, error=error.message)

    def _handle(self, id: str) -> ScheduleHandle:  # noqa: A002
        return self.client.get_schedule_handle(id)

    @asynccontextmanager
    async def _asking(self, id: str) -> AsyncIterator[None]:  # noqa: A002
        try:
            yield
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise self._refused(id, error, "") from None
            near = nearest(id, [row.id for row in await self.list(limit=1_000)])
            hint = f"did you mean `{near}`?" if near else "list them with `resprout schedules list`."
            raise NotFound(f"there is no schedule {id}: {hint}") from None

    def _refused(self, id: str, error: RPCError, when: str) -> NotRunning | Rejected:  # noqa: A002
        if error.status in AWAY:
            return NotRunning(f"Temporal does not answer about its schedules ({error.message}). See `resprout status`.")
        said = f" `{when}`" if when else ""
        return Rejected(f"Temporal refuses the schedule {id}{said}: {error.message}.")


async def _described(told: ScheduleDescription | ScheduleListDescription) -> ScheduleRow:
    schedule = told.schedule
    memo = await told.memo()
    timing = Timing.model_validate(memo[MEMO]) if MEMO in memo else Timing()
    info: ScheduleInfo | ScheduleListInfo | None = told.info
    actions = [one.action for one in info.recent_actions] if info is not None else []
    return ScheduleRow(
        id=told.id,
        flow=timing.flow,
        when=str(timing),
        overlap=timing.overlap,
        paused=schedule.state.paused if schedule is not None else False,
        note=schedule.state.note if schedule is not None else None,
        next=tuple(info.next_action_times) if info is not None else (),
        recent=tuple(one.workflow_id for one in actions if isinstance(one, ScheduleActionExecutionStartWorkflow)),
    )
