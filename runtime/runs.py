"""Runs of flows, from outside: the one place that talks to Temporal about them.

    runs = Runs(client, settings.temporal)
    run = await runs.start(given)
    await run.pause()
    output = await run.result()

A run is Temporal's: it goes on whether or not somebody holds a reference. Where a word needs a worker to answer and
there is none, the error says so.
"""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload
from uuid import uuid4

from pydantic import BaseModel
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowHistoryEventFilterType,
)
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from ..actors.errors import NotFound, NotRunning, OutcomeUnknown, Rejected
from ..workflows.flow.vocabulary import nearest
from ..workflows.interpreter.approvals import Answer
from ..workflows.interpreter.run_input import Finished, RunInput
from . import run_rows, temporal
from .run_errors import ANSWER_WITHIN, AWAY, asking, failure, refused, telling
from .run_rows import RunRow, row_of
from .settings import TemporalSettings
from .speech import Speech, silent

if TYPE_CHECKING:
    from .agent_words import AgentWords

FLOW = "flow"  # the workflow types
AGENT = "agent"
LOOKED_THROUGH = 500  # runs, for one whose id is like the one given
PAGED_LOOKS = 3  # at the pages of a state, before it is asked for whole
UNFIT_QUERY = "invalid search attribute"

Given = TypeVar("Given", bound=BaseModel)


@dataclass(frozen=True)
class Runs:
    client: Client
    settings: TemporalSettings
    speech: Speech = silent  # what a model is saying at this moment, for who watches

    async def start(self, given: RunInput, id: str | None = None, *, once: bool = False) -> "RunRef":  # noqa: A002
        """Returns when Temporal has it on disk. An id is free again when its run has ended; with `once` it never is,
        and a run of this id that there is or was is what is given."""
        return await self.start_workflow(FLOW, given, id or f"{given.name}-{uuid4().hex[:10]}", once=once)

    async def start_workflow(
        self,
        kind: str,
        given: Any,
        id: str,  # noqa: A002
        *,
        once: bool = False,
        anew: bool = True,
        task_timeout: timedelta | None = None,
    ) -> "RunRef":
        """`anew`: whether an id may be used again when its run has ended."""
        policy = WorkflowIDReusePolicy
        reuse = policy.ALLOW_DUPLICATE if anew and not once else policy.REJECT_DUPLICATE
        try:
            handle = await self.client.start_workflow(
                kind,
                given,
                id=id,
                task_queue=self.settings.task_queue,
                id_reuse_policy=reuse,
                task_timeout=task_timeout,
            )
        except WorkflowAlreadyStartedError:
            if once:
                return self.get(id)
            raise Rejected(await self._taken(id)) from None
        except ApplicationError as error:  # an input that is too large to be carried
            raise Rejected(f"{id} cannot be started: {error.message}") from None
        except RPCError as error:
            if error.status in AWAY:
                raise OutcomeUnknown(
                    f"whether the run {id} was started is unknown: asking Temporal at {self.settings.address} failed "
                    f"({error.message}). What was started goes on when Temporal is back: see `resprout runs show {id}`."
                ) from None
            raise Rejected(f"Temporal refuses to start {id!r}: {error.message}.") from None
        return RunRef(self, id, handle)

    async def _taken(self, id: str) -> str:  # noqa: A002
        row = await self.get(id).describe()
        if row.is_open:
            return f"a run with the id {id!r} is going on. Choose another --id, or wait for it."
        goes_on = f"; or go on in its conversation with `resprout runs continue {id} --goal …`" * (row.kind == AGENT)
        return f"the id {id!r} is that of a run that has ended ({row.status}). Choose another --id{goes_on}."

    def get(self, id: str) -> "RunRef":  # noqa: A002
        """The newest run with this id; nothing is asked yet."""
        return RunRef(self, id, self.client.get_workflow_handle(id))

    async def list(self, query: str, *, limit: int = 100) -> Sequence[RunRow]:
        """Open ones first, then the newest; `run_rows.query` writes queries."""
        return [row_of(one) for one in await self.executions(query, limit=limit)]

    async def executions(self, query: str, *, limit: int) -> Sequence[WorkflowExecution]:
        try:
            return [one async for one in self.client.list_workflows(query, limit=limit)]
        except RPCError as error:
            if UNFIT_QUERY in error.message:
                raise NotRunning(
                    "no worker has run here yet, so there are no runs. Start one by `resprout up` or `resprout worker`."
                ) from None
            raise NotRunning(f"Temporal does not list its runs: {error.message}. See `resprout status`.") from None

    async def nearest(self, id: str) -> str | None:  # noqa: A002
        return nearest(id, [row.id for row in await self.list(run_rows.query(children=True), limit=LOOKED_THROUGH)])


@dataclass(frozen=True)
class RunRef:
    runs: Runs
    id: str
    handle: WorkflowHandle[Any, Any]

    @property
    def url(self) -> str | None:
        run_id = self.handle.result_run_id or self.handle.run_id or ""
        return temporal.run_url(self.runs.settings, self.id, run_id)

    async def describe(self) -> RunRow:
        return row_of(await self.execution())

    async def execution(self) -> WorkflowExecutionDescription:
        """Raises NotFound, naming the nearest id."""
        try:
            return await self.handle.describe(rpc_timeout=ANSWER_WITHIN)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise refused(self.id, error) from None
        near = await self.runs.nearest(self.id)
        hint = f"did you mean `{near}`?" if near else "list them with `resprout runs list`."
        raise NotFound(f"there is no run {self.id}: {hint}")

    async def exists(self) -> bool:
        try:
            await self.handle.describe(rpc_timeout=ANSWER_WITHIN)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise refused(self.id, error) from None
            return False
        return True

    async def result(self) -> Any:
        """Waits for the end. Raises RunFailed; RPCError where Temporal goes away."""
        try:
            return await self.handle.result()
        except WorkflowFailureError as error:
            raise failure(self.id, error) from None

    async def state(self) -> dict[str, Any]:
        """Where it is: its status, its tasks that began, the approvals that it waits for."""
        for _ in range(PAGED_LOOKS):
            text = await self._paged_state()
            if text is not None:
                state: dict[str, Any] = json.loads(text)
                return state
        return await self.state_at_once()

    async def state_at_once(self) -> dict[str, Any]:
        """In one answer, which is kept in Postgres when it is large. Single tasks give theirs only so."""
        return await self._ask("state")

    async def _paged_state(self) -> str | None:
        """None when the run went on between two pages of it."""
        page = first = await self._ask("state_page", 0)
        text = str(page["text"])
        while len(text) < first["length"]:
            page = await self._ask("state_page", len(text))
            if page["of"] != first["of"]:
                return None
            text += page["text"]
        return text

    async def finished(self) -> dict[str, Finished]:
        """How its tasks ended, by their keys."""
        found = await self._ask("finished")
        return {key: Finished.model_validate(one) for key, one in found.items()}

    async def early_signals(self) -> dict[str, list[Any]]:
        """Those that came and that no task has waited for."""
        return await self._ask("signals")

    @overload
    async def given(self) -> RunInput: ...
    @overload
    async def given(self, kind: type[Given]) -> Given: ...
    async def given(self, kind: type[BaseModel] = RunInput) -> BaseModel:
        """What it was started with."""
        async for event in self.handle.fetch_history_events(page_size=1):
            payloads = event.workflow_execution_started_event_attributes.input.payloads
            converter = self.runs.client.data_converter
            (given,) = await converter.decode(list(payloads), [kind])
            assert isinstance(given, BaseModel)
            return given
        raise NotFound(f"Temporal keeps no history of the run {self.id} any more.")

    def watch(self) -> "AsyncIterator[dict[str, Any]]":
        """What changes in it, until it has ended: tasks, what sandboxes write and models say while they do, questions;
        and its end with the result. Each `event` is as `resprout runs watch --json` prints it."""
        from .run_changes import changes_of

        return changes_of(self)

    async def continue_(
        self,
        goal: str = "",
        *,
        id: str | None = None,  # noqa: A002
        **changes: "Unpack[AgentWords]",
    ) -> "RunRef":
        """A new run of an agent, in the conversation of this one that has ended: to reach a new goal, or to go on with
        what was not finished. Its words are those of this one, but for the changes."""
        from .agent_runs import continued

        return await continued(self.runs, self.id, id, goal=goal, **changes)

    async def pause(self) -> None:
        """Nothing new begins; what is in flight ends."""
        await self._tell("pause")

    async def resume(self) -> None:
        await self._tell("resume")

    async def steer(self, text: str) -> None:
        """Says something into the turn of an agent, which hears it with its next decision."""
        await self._tell("steer", text)

    async def signal(self, name: str, data: Any = None) -> None:
        """For a task that waits for it now or later."""
        await self._tell("signal", name, data)

    async def answer(self, answer: Answer) -> str:
        """Answers an approval; returns the key of its task."""
        return str(await self._tell("answer", answer))

    async def cancel(self) -> None:
        """Asks it to end; it undoes and cleans up what the flow says."""
        with telling(self.id):
            await self.handle.cancel(rpc_timeout=ANSWER_WITHIN)

    async def terminate(self, reason: str) -> None:
        """Ends it at once, without cleaning up."""
        with telling(self.id):
            await self.handle.terminate(reason=reason, rpc_timeout=ANSWER_WITHIN)

    async def histories(self) -> AsyncIterator[WorkflowHandle[Any, Any]]:
        """Of a long run there are several in Temporal, the first first."""
        execution = await self.execution()
        run_id = execution.raw_info.first_run_id or execution.run_id
        while run_id:
            handle = self.runs.client.get_workflow_handle(self.id, run_id=run_id)
            yield handle
            run_id = await _next(handle)

    async def _ask(self, query: str, *words: Any) -> dict[str, Any]:
        with asking(self.id):
            found: dict[str, Any] = await self.handle.query(query, args=list(words), rpc_timeout=ANSWER_WITHIN)
            return found

    async def _tell(self, update: str, *words: Any) -> Any:
        with telling(self.id):
            return await self.handle.execute_update(update, args=list(words), rpc_timeout=ANSWER_WITHIN)


async def _next(handle: WorkflowHandle[Any, Any]) -> str:
    """The run into which a long one was continued; nothing at the last."""
    end = handle.fetch_history_events(event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT)
    last = [event async for event in end]
    return last[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id if last else ""
