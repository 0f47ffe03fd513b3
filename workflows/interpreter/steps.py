"""Tasks that do something: each is one step in Temporal's history, an activity, a child workflow or a timer.

Before a step begins it passes the gate, which is shut while the run is paused or about to be carried over.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel
from temporalio import workflow
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError, is_cancelled_exception

from ...activities.contracts import RUN_SANDBOX, SandboxInput, ToolInput
from ...activities.sandbox.result import SandboxResult
from ...actors.duration import LONGEST, parse_duration
from ...actors.turn import LARGEST_BODY
from ..agent_run.run_input import TASK_TIMEOUT, AgentResult, AgentRunInput
from ..asking import HEARTBEAT_TIMEOUT, RETRY, ask
from ..flow import Flow, evaluate
from ..flow.model import Approval, Ask, Child, Emit, Goal, Sandbox, TaskBase, Tool, Wait
from .approvals import Approvals, PendingTask, decision_on, put_in_inbox
from .budgets import open_budget
from .cache import Place, place_of
from .failures import ID_TAKEN, UNFIT, TaskFailed, failure_of
from .frame import Frame
from .goals import agent_run_of, answer_of
from .ledger import Ledger
from .load import Load
from .run_input import UNKNOWN_STARTER, Carried, RunInput, child_id
from .sandboxed import output_of, spec_of
from .signals import Signals
from .sizes import refuse_large
from .tool_calls import ToolCalls

ASK_TIMEOUT = timedelta(minutes=10)
# Trying again is for what may come back: hosts, Postgres. An agent that has not answered in its time has not.
ASK_GIVE_UP = timedelta(hours=1)
SANDBOX_STARTS = timedelta(minutes=2)  # on top of the time that the code has
SANDBOX_GIVE_UP = timedelta(hours=1)
CACHE_TIMEOUT = timedelta(minutes=1)
PAUSE = "resprout-pause"  # the signal by which a run and its children pause together


@dataclass
class Steps:
    flow: Flow
    run_input: RunInput
    carried: Carried
    approvals: Approvals
    must_carry_over: Callable[[], bool]
    in_flight: int = 0
    children: dict[str, "workflow.ChildWorkflowHandle[Any, Any]"] = field(default_factory=dict)
    halting: bool = False  # nothing new begins: the run is about to be carried over
    leaving: bool = False  # the run was cancelled: what cleans up goes on though the run is paused
    paused: bool = False
    running: dict[str, str] = field(default_factory=dict)
    from_cache: set[str] = field(default_factory=set)  # keys of tasks

    def __post_init__(self) -> None:
        self.signals = Signals(self.carried.signals)
        self.load = Load()
        self.kinds: dict[type[TaskBase], Callable[[Any, Frame, str, Ledger], Awaitable[Any]]] = {
            Ask: self._ask,
            Emit: self._emit,
            Wait: self._wait,
            Approval: self._approval,
            Child: self._child,
            Goal: self._goal,
            Sandbox: self._sandbox,
            Tool: self._tool,
        }
        self.tools = ToolCalls(self.approvals, self.carried.tools)

    async def run(self, task: TaskBase, frame: Frame, key: str, ledger: Ledger) -> Any:
        async with self.load.room_for(task):
            await self._gate(key, ledger)
            self.running[key] = task.title
            self._tell_ui(ledger)
            try:
                return await self.kinds[type(task)](task, frame, key, ledger)
            finally:
                del self.running[key]
                self.carried.begun.pop(key, None)

    def keeps_time(self, task: TaskBase) -> bool:
        """Whether the step itself ends at the task's timeout, without a timer beside it."""
        return isinstance(task, Ask)

    def elapsed(self, key: str) -> timedelta:
        """Since the task began, maybe in an earlier run."""
        now = workflow.now().timestamp()
        return timedelta(seconds=now - self.carried.begun.setdefault(key, now))

    async def _gate(self, key: str, ledger: Ledger) -> None:
        if not self.halting and self.must_carry_over():
            self.halting = True
        if self._is_shut():
            ledger.say(key, "waiting", "paused" if self.paused else "")
            await workflow.wait_condition(lambda: not self._is_shut())
            ledger.say(key, "running")

    def _is_shut(self) -> bool:
        return self.halting or (self.paused and not self.leaving)

    def _tell_ui(self, ledger: Ledger) -> None:
        """Temporal's UI shows it on the run's page."""
        shown = [title for title, _ in zip(self.running.values(), range(5), strict=False)]
        more = f" and {len(self.running) - 5} more" if len(self.running) > 5 else ""
        workflow.set_current_details(f"running: {', '.join(shown)}{more}; {len(ledger.finished)} done")

    # Agents.

    async def _ask(self, task: Ask, frame: Frame, key: str, ledger: Ledger) -> Any:
        scope = frame.scope
        address = self._address(task, scope)
        body = evaluate(task.with_, scope)
        timeout = task.timeout or ASK_TIMEOUT
        return await self._activity(task, address, task.ask, body, timeout, give_up=task.timeout or ASK_GIVE_UP)

    def _address(self, task: Ask, scope: dict[str, Any]) -> str:
        spec = self.flow.agents.get(task.agent)
        if spec is None:
            return str(evaluate(task.agent, scope))
        key = evaluate(spec.key, scope) if spec.key is not None else task.agent
        return f"{spec.kind}/{key}"

    async def _emit(self, task: Emit, frame: Frame, key: str, ledger: Ledger) -> None:
        scope = frame.scope
        topic = evaluate(task.emit.topic, scope)
        run = frame.roots["run"]
        emitted = {
            "topic": str(topic),
            "data": evaluate(task.emit.data, scope),
            "run": run["id"],
            "flow": run["flow"],
            "task": key,
        }
        body = {"type": "flow.emitted", "version": 1, "body": json.dumps(emitted)}
        await self._activity(task, f"topic/{topic}", "topic.publish", body, ASK_TIMEOUT, give_up=ASK_GIVE_UP)

    async def _activity(
        self,
        task: TaskBase,
        agent: str,
        message: str,
        body: Any,
        timeout: timedelta,
        *,
        give_up: timedelta,
        title: str | None = None,
    ) -> Any:
        self.in_flight += 1
        try:
            await self.load.admit(refuse_large(body, f"the message `{message}`", task.key, LARGEST_BODY))
            told = await ask(agent, message, body, timeout=timeout, give_up=give_up, title=title or task.title)
            return told.body
        finally:
            self.in_flight -= 1

    # Sandboxes.

    async def _sandbox(self, task: Sandbox, frame: Frame, key: str, ledger: Ledger) -> Any:
        spec = spec_of(task, frame.scope)
        self.in_flight += 1
        try:
            await self.load.admit(refuse_large(spec.model_dump(mode="json"), "what is put into the sandbox", task.key))
            result: SandboxResult = await workflow.execute_activity(
                RUN_SANDBOX,
                SandboxInput(spec=spec, tenant=self.run_input.tenant, task=key),
                result_type=SandboxResult,
                start_to_close_timeout=spec.limits.time + SANDBOX_STARTS,
                schedule_to_close_timeout=spec.limits.time + SANDBOX_GIVE_UP,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RETRY,
                summary=task.title[:200],
            )
        finally:
            self.in_flight -= 1
        return output_of(result, task)

    # Tools.

    async def _tool(self, task: Tool, frame: Frame, key: str, ledger: Ledger) -> Any:
        arguments = evaluate(task.with_, frame.scope)
        await self.load.admit(refuse_large(arguments, f"what `{task.tool}` is given", task.key, LARGEST_BODY))
        call = ToolInput(
            tool=task.tool,
            arguments=arguments,
            step=self._step_id(key, frame),
            task=key,
            chain=self.chain,
            tenant=self.run_input.tenant,
            budget=frame.budget,
        )
        return await self.tools.call(call, task.title, _Told(self, key, ledger))

    @property
    def chain(self) -> tuple[str, ...]:
        """On whose behalf the run acts."""
        starter = self.run_input.chain or (UNKNOWN_STARTER,)
        return starter if self.run_input.direct else (*starter, f"run:{self.flow.name}")

    def _step_id(self, key: str, frame: Frame) -> str:
        """The same in every history that the run is carried over into; another one for each attempt that the flow
        itself makes, at the task or at a block around it."""
        info = workflow.info()
        return f"{info.workflow_id}/{info.first_execution_run_id}/{key}{frame.tries}"

    # Time, people, other flows.

    async def _wait(self, task: Wait, frame: Frame, key: str, ledger: Ledger) -> Any:
        spec = task.wait
        if spec.signal is not None:
            ledger.say(key, "waiting", f"signal {spec.signal}")
            left = spec.timeout - self.elapsed(key) if spec.timeout is not None else None
            return await self.signals.wait(spec.signal, key, left)
        length = self._length(task, frame)
        left = length - self.elapsed(key)
        ledger.say(key, "waiting", f"{length.total_seconds():g} s")
        if left > timedelta(0):
            await workflow.sleep(left, summary=task.title[:200])
        return None

    def _length(self, task: Wait, frame: Frame) -> timedelta:
        spec = task.wait
        if spec.until is not None:
            return self._until(task, frame)
        if isinstance(spec.duration, timedelta):
            return spec.duration
        length = evaluate(spec.duration, frame.scope)
        if isinstance(length, bool) or not isinstance(length, int | float):
            try:
                return parse_duration(str(length))
            except ValueError as error:
                raise TaskFailed(UNFIT, f"`duration`: {error}", task.key) from None
        if length > LONGEST.total_seconds():
            raise TaskFailed(UNFIT, f"`duration`: {length:g} s is longer than ten years (3650d).", task.key)
        return timedelta(seconds=max(length, 0))

    def _until(self, task: Wait, frame: Frame) -> timedelta:
        """How long it is, counted from when the task began."""
        until = evaluate(task.wait.until, frame.scope)
        try:
            moment = datetime.fromisoformat(str(until))
        except ValueError:
            raise TaskFailed(UNFIT, f"`until` gives {until!r}, which is no moment.", task.key) from None
        left = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)) - workflow.now()
        if left > LONGEST:
            raise TaskFailed(UNFIT, f"`until` gives {until}, which is more than ten years away (3650d).", task.key)
        return left + self.elapsed(frame.key_of(task))

    async def _approval(self, task: Approval, frame: Frame, key: str, ledger: Ledger) -> Any:
        spec = task.approval
        ledger.say(key, "waiting", "approval")
        left = spec.timeout - self.elapsed(key) if spec.timeout is not None else None

        async def ask(pending: PendingTask, left: timedelta | None) -> str:
            inbox = self._step_id(key, frame)
            return await put_in_inbox(pending, inbox, key, self.chain, self.run_input.tenant, left)

        return await decision_on(self.approvals, task, key, frame.scope, left, ask)

    async def _child(self, task: Child, frame: Frame, key: str, ledger: Ledger) -> Any:
        frozen = self.run_input.children[task.flow]
        inputs = evaluate(task.with_, frame.scope)
        run, attempt = workflow.info().workflow_id, ledger.progress[key].attempt
        given = RunInput(
            flow=frozen.document,
            children=frozen.children,
            hash=frozen.hash,
            inputs=inputs,
            tenant=self.run_input.tenant,
            tags=self.run_input.tags,
            chain=self.chain,
            budget=frame.budget,
        )
        return await self._run_of_its_own("flow", given, child_id(run, key, attempt), task, key)

    async def _goal(self, task: Goal, frame: Frame, key: str, ledger: Ledger) -> Any:
        given = agent_run_of(task, self.flow, frame.scope, self.run_input, self.chain, frame.budget)
        run = child_id(workflow.info().workflow_id, key, ledger.progress[key].attempt)
        result = await self._run_of_its_own("agent", given, run, task, key, AgentResult)
        return answer_of(result, run, task)

    async def _run_of_its_own(
        self,
        type: str,  # noqa: A002
        given: BaseModel,
        id: str,  # noqa: A002
        task: TaskBase,
        key: str,
        result_type: type[BaseModel] | None = None,
    ) -> Any:
        self.in_flight += 1
        try:
            await self.load.admit(refuse_large(given, f"what the run `{id}` is given", task.key))
            child = self.children[key] = await self._start(type, given, id, task, result_type)
            if self.paused:  # since it was asked for; only children that have begun are told
                await self.pause_child(child, True)
            return await child
        finally:
            self.children.pop(key, None)
            self.in_flight -= 1

    async def _start(
        self,
        type: str,  # noqa: A002
        given: BaseModel,
        id: str,  # noqa: A002
        task: TaskBase,
        result_type: type[BaseModel] | None,
    ) -> "workflow.ChildWorkflowHandle[Any, Any]":
        try:
            return await workflow.start_child_workflow(
                type,
                given,
                id=id,
                result_type=result_type,
                task_timeout=TASK_TIMEOUT if isinstance(given, AgentRunInput) else None,
                cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
                static_summary=task.title[:200],
            )
        except WorkflowAlreadyStartedError:
            raise TaskFailed(ID_TAKEN, f"a run with the id `{id}` is going on.", task.key) from None

    async def pause_child(self, child: "workflow.ChildWorkflowHandle[Any, Any]", paused: bool) -> None:
        try:
            await child.signal(PAUSE, paused)
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.info("%s has ended before it could be told: %s", child.id, error)

    # Budgets.

    async def open_budget(self, task: TaskBase, frame: Frame, key: str, ledger: Ledger) -> str:
        """Its id, for what is inside the task."""
        assert task.budget is not None
        budget = self._step_id(key, frame)
        async with self.load.activities:
            await self._gate(key, ledger)
            self.in_flight += 1
            try:
                await self.load.admit(0)
                await open_budget(task.budget, task.title, budget, frame.budget, self.run_input.tenant)
            finally:
                self.in_flight -= 1
        return budget

    # The cache.

    async def cached(self, task: TaskBase, frame: Frame, key: str, ledger: Ledger) -> Place:
        place = place_of(task, self.flow, self.run_input, frame)
        self.from_cache.discard(key)
        async with self.load.activities:
            await self._gate(key, ledger)
            try:
                found = await self._ask_cache(place, "cache.look", {}, task)
            except FailureError as error:
                _tell_missed(failure_of(error, task.key))
                return place
        if found["found"]:
            self.from_cache.add(key)
        return replace(place, found=found["found"], output=found["value"])

    async def keep(self, place: Place, output: Any, task: TaskBase) -> None:
        """Passes no gate: the task would be done again in the run that this one is carried over into."""
        async with self.load.keeping:
            try:
                await self._ask_cache(place, "cache.keep", {"value": output, "seconds": place.keep_seconds}, task)
            except (FailureError, TaskFailed) as error:
                _tell_missed(failure_of(error, task.key))

    async def _ask_cache(self, place: Place, message: str, body: Any, task: TaskBase) -> Any:
        agent, title = f"cache/{place.digest}", f"cache of {task.title}"
        return await self._activity(task, agent, message, body, CACHE_TIMEOUT, give_up=CACHE_TIMEOUT, title=title)


@dataclass
class _Told:
    """What a call of a tool does, for whoever watches, and for a run that is about to be carried over."""

    steps: Steps
    key: str
    ledger: Ledger

    def acts(self, acts: bool) -> None:
        self.steps.in_flight += 1 if acts else -1

    def waits(self, note: str) -> None:
        self.ledger.say(self.key, "waiting", note)

    def goes_on(self) -> None:
        self.ledger.say(self.key, "running")


def _tell_missed(failure: TaskFailed) -> None:
    workflow.logger.warning("the cache is passed over: %s", failure)
