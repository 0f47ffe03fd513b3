"""The Temporal workflow `flow`: a run of a flow, with what can be asked of it and said to it while it runs."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from .. import search_attributes
from ..flow import evaluate, inputs_for
from ..flow.model import Wait
from ..state_page import page_of
from .approvals import Answer, Approvals
from .failures import TaskFailed
from .interpreter import Interpreter
from .run_input import NO_INPUT, Carried, RunInput, bad_input, flow_of, refuse_nothing
from .sizes import refuse_large
from .steps import PAUSE, Steps

# Temporal warns at 10,240 events and ends a run at 51,200. Flows that are in flight below this one end first.
MOST_EVENTS_WITH_CHILDREN = 20_000
MOST_SIGNALS_WAITING = 1_000


@workflow.defn(name="flow")
class FlowRun:
    @workflow.init
    def __init__(self, given: RunInput = NO_INPUT) -> None:
        refuse_nothing(given)
        self.given = given
        self.flow = flow_of(given)
        carried = given.carried or Carried()
        self.started_at = carried.started_at or workflow.info().start_time.isoformat()
        self.approvals = Approvals(carried.answers)
        self.was_leaving = carried.leaving
        paused = carried.paused or carried.leaving
        self.steps = Steps(self.flow, given, carried, self.approvals, self._must_carry_over, paused=paused)
        self.interpreter = Interpreter(self.flow, self._roots(), carried, self.steps)
        self.ending: str | None = None  # "cancelling" or "failed"
        self.said = "paused" if carried.paused else "running"  # in the search attribute

    def _roots(self) -> dict[str, Any]:
        inputs, problems = inputs_for(self.flow, self.given.inputs)
        if problems:
            raise bad_input(f"the flow `{self.flow.name}` cannot run with these inputs: {' '.join(problems)}")
        info = workflow.info()
        run = {
            "id": info.workflow_id,
            "flow": self.flow.name,
            "version": self.flow.flow.version,
            "started_at": self.started_at,
            "attempt": info.attempt,
            "tenant": self.given.tenant,
        }
        roots: dict[str, Any] = {"inputs": inputs, "run": run}
        return {**roots, "env": evaluate(dict(self.flow.env), roots)}

    @workflow.run
    async def run(self, given: RunInput = NO_INPUT) -> Any:
        if given.carried is None or given.carried.started_at is None:  # what is carried over has them
            header = self.flow.flow
            search_attributes.introduce(header.name, header.version, given.tenant, (*header.tags, *given.tags))
        telling = asyncio.create_task(self._tell_status())
        try:
            return await self._work()
        finally:
            telling.cancel()

    async def _work(self) -> Any:
        work = asyncio.create_task(self.interpreter.run())
        try:
            if self.was_leaving:
                await self._stand_where_it_was_cancelled()
            else:
                await self._ended_or_carried_over(work)
        except asyncio.CancelledError:
            await self._leave(work)
        return self._result(work)

    async def _ended_or_carried_over(self, work: "asyncio.Task[Any]") -> None:
        await workflow.wait_condition(lambda: work.done() or self._can_be_carried_over())
        if work.done():
            return
        await workflow.wait_condition(workflow.all_handlers_finished)
        carried = self._carried()
        try:
            refuse_large(carried, "what the tasks have given so far", "run")
        except TaskFailed as failure:
            raise self._failed(failure) from None
        workflow.continue_as_new(self.given.model_copy(update={"carried": carried}))

    async def _stand_where_it_was_cancelled(self) -> None:
        """A run that was carried over while it cleaned up. Raises CancelledError when it has found back to its place.

        It is paused, so nothing begins: by the next activation all of it stands at the gate.
        """
        await workflow.sleep(timedelta(milliseconds=1))
        raise asyncio.CancelledError

    async def _leave(self, work: "asyncio.Task[Any]") -> None:
        """Cleans up to the end; a run that does so for long is carried over too."""
        self.ending = "cancelling"
        self.steps.leaving = True
        work.cancel()
        while not work.done():
            try:
                await self._ended_or_carried_over(work)
            except asyncio.CancelledError:
                continue  # it is on its way

    def _result(self, work: "asyncio.Task[Any]") -> Any:
        try:
            return work.result()
        except TaskFailed as failure:
            raise self._failed(failure) from None

    def _failed(self, failure: TaskFailed) -> ApplicationError:
        self.ending = "failed"
        return ApplicationError(str(failure), failure.as_json(), type=failure.type, non_retryable=True)

    @property
    def status(self) -> str:
        if self.ending is not None:
            return self.ending
        if self.steps.paused:
            return "paused"
        return "waiting" if self.approvals.pending and not self.steps.in_flight else "running"

    async def _tell_status(self) -> None:
        """The search attribute follows. A condition is looked at when all else has come to rest, so a run that goes
        from one step to the next says nothing."""
        while True:
            await workflow.wait_condition(lambda: self.status != self.said)
            self.said = self.status
            search_attributes.say(self.said)

    def _must_carry_over(self) -> bool:
        info = workflow.info()
        if not info.is_continue_as_new_suggested():
            return False
        return not self.steps.children or info.get_current_history_length() > MOST_EVENTS_WITH_CHILDREN

    def _can_be_carried_over(self) -> bool:
        return self.steps.halting and self.steps.in_flight == 0

    def _carried(self) -> Carried:
        return Carried(
            finished=self.interpreter.ledger.finished,
            begun=self.steps.carried.begun,
            attempts=self.steps.carried.attempts,
            signals=self.steps.signals.early(),
            answers=self.approvals.answers,
            tools=self.steps.tools.versions,
            paused=self.steps.paused,
            leaving=self.steps.leaving,
            started_at=self.started_at,
        )

    # What can be said to it.

    @workflow.update
    async def pause(self) -> None:
        """Nothing new begins; what is in flight ends."""
        await self._pause(True)

    @workflow.update
    async def resume(self) -> None:
        await self._pause(False)

    @workflow.signal(name=PAUSE)
    async def pause_with_parent(self, paused: bool) -> None:
        await self._pause(paused)

    async def _pause(self, paused: bool) -> None:
        if paused == self.steps.paused:
            return
        self.steps.paused = paused
        await asyncio.gather(*(self.steps.pause_child(child, paused) for child in self.steps.children.values()))

    @workflow.update
    async def answer(self, answer: Answer) -> str:
        """Answers an approval, or says what became of a call in doubt; returns the key of its task."""
        return await self.approvals.take(answer)

    @answer.validator
    def _answer_fits(self, answer: Answer) -> None:
        problem = self.approvals.problem(answer)
        if problem is not None:
            raise bad_input(problem)

    @workflow.update
    def signal(self, name: str, data: Any = None) -> None:
        """For a task that waits for it now or later."""
        self.steps.signals.bring(name, data)

    @signal.validator
    def _signal_fits(self, name: str, data: Any = None) -> None:
        self._refuse_signal(name)

    def _refuse_signal(self, name: str) -> None:
        known = {task.wait.signal for task in self.flow.every_task() if isinstance(task, Wait)} - {None}
        if name not in known:
            names = ", ".join(sorted(str(one) for one in known)) or "none"
            raise bad_input(f"the flow `{self.flow.name}` waits for no signal `{name}`; it waits for: {names}.")
        if self.steps.signals.number_of(name) >= MOST_SIGNALS_WAITING:
            raise bad_input(f"{MOST_SIGNALS_WAITING:,} signals `{name}` came already that nobody has waited for.")

    @workflow.signal(dynamic=True)
    def any_signal(self, name: str, arguments: Sequence[RawValue]) -> None:
        """Temporal's own signals, by name; one that no task waits for is dropped."""
        try:
            self._refuse_signal(name)
            data = workflow.payload_converter().from_payload(arguments[0].payload) if arguments else None
        except Exception as error:  # noqa: BLE001 - whatever somebody sent from outside must not end the run
            workflow.logger.warning("signal `%s` dropped: %s", name, error)
        else:
            self.steps.signals.bring(name, data)

    # What can be asked of it.

    @workflow.query
    def state(self) -> dict[str, Any]:
        """Where it is: the tasks that began, in the order in which they did, and what it waits for."""
        ledger = self.interpreter.ledger
        return {
            "status": self.status,
            "version": ledger.version,
            "tasks": [progress.as_json() for progress in ledger.progress.values()],
            "approvals": [pending.as_json(key) for key, pending in self.approvals.pending.items()],
        }

    @workflow.query
    def state_page(self, start: int) -> dict[str, Any]:
        """A part of the state as JSON: whoever watches a run looks often, and no look shall leave a large payload."""
        return page_of(self.state(), start)

    @workflow.query
    def signals(self) -> dict[str, Any]:
        """Those that came and that no task has waited for yet, for a run that goes on from here."""
        return self.steps.signals.early()

    @workflow.query
    def finished(self) -> dict[str, Any]:
        """What is done, for a run that goes on from here."""
        return {key: one.model_dump(mode="json") for key, one in self.interpreter.ledger.finished.items()}
