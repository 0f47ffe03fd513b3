"""Tasks that do something: each is one step in Temporal's history, an activity, a child workflow or a timer.

Before a step begins it passes the gate, which is shut while the run is paused or about to be carried over.
"""

import hashlib
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy

from ...activities.contracts import ASK_AGENT, RUN_SANDBOX, AskInput, AskOutput, SandboxInput
from ...activities.sandbox.result import SandboxResult
from ...actors.duration import parse_duration
from ...actors.turn import LARGEST_BODY
from ..asking import HEARTBEAT_TIMEOUT, RETRY
from ..flow import Flow, evaluate
from ..flow.model import Approval, Ask, Child, Emit, Sandbox, TaskBase, Wait
from .approvals import Approvals
from .failures import UNFIT, TaskFailed
from .frame import Frame
from .ledger import Ledger
from .run_input import Carried, RunInput, child_id
from .sandboxed import output_of, spec_of
from .sizes import refuse_large

ASK_TIMEOUT = timedelta(minutes=10)
# Trying again is for what may come back: hosts, Postgres. An agent that has not answered in its time has not.
ASK_GIVE_UP = timedelta(hours=1)
SANDBOX_STARTS = timedelta(minutes=2)  # on top of the time that the code has
SANDBOX_GIVE_UP = timedelta(hours=1)
ONCE = RetryPolicy(maximum_attempts=1)
CACHE_TIMEOUT = timedelta(minutes=1)


@dataclass(frozen=True)
class Cached:
    key: str
    keep_seconds: float | None
    found: bool
    output: Any


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
    arrived: dict[str, deque[Any]] = field(default_factory=dict)  # signals that nobody waits for yet
    running: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kinds: dict[type[TaskBase], Callable[[Any, Frame, str, Ledger], Awaitable[Any]]] = {
            Ask: self._ask,
            Emit: self._emit,
            Wait: self._wait,
            Approval: self._approval,
            Child: self._child,
            Sandbox: self._sandbox,
        }

    async def run(self, task: TaskBase, frame: Frame, key: str, ledger: Ledger) -> Any:
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

    async def pause(self, length: timedelta) -> None:
        await workflow.sleep(length)

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
        refuse_large(body, f"the message `{task.ask}`", task.key, LARGEST_BODY)
        timeout = task.timeout or ASK_TIMEOUT
        return await self._activity(
            address, task.ask, body, timeout, task.title, give_up=timeout if task.timeout else ASK_GIVE_UP
        )

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
        await self._activity(f"topic/{topic}", "topic.publish", body, ASK_TIMEOUT, task.title, give_up=ASK_GIVE_UP)

    async def _activity(
        self, agent: str, message: str, body: Any, timeout: timedelta, title: str, *, give_up: timedelta
    ) -> Any:
        self.in_flight += 1
        try:
            result: AskOutput = await workflow.execute_activity(
                ASK_AGENT,
                AskInput(agent=agent, message=message, body=body, timeout_seconds=timeout.total_seconds()),
                result_type=AskOutput,
                start_to_close_timeout=timeout + timedelta(seconds=5),
                schedule_to_close_timeout=give_up,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RETRY,
                summary=f"{title}: {message} → {agent}"[:200],
            )
        finally:
            self.in_flight -= 1
        return result.body

    # Sandboxes.

    async def _sandbox(self, task: Sandbox, frame: Frame, key: str, ledger: Ledger) -> Any:
        spec = spec_of(task, frame.scope)
        refuse_large(spec.files, "`files`", task.key)
        self.in_flight += 1
        try:
            result: SandboxResult = await workflow.execute_activity(
                RUN_SANDBOX,
                SandboxInput(spec=spec, tenant=self.run_input.tenant),
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

    # Time, people, other flows.

    async def _wait(self, task: Wait, frame: Frame, key: str, ledger: Ledger) -> Any:
        spec = task.wait
        if spec.signal is not None:
            ledger.say(key, "waiting", f"signal {spec.signal}")
            return await self._signal(spec.signal, spec.timeout, key)
        length = self._length(task, frame)
        left = length - self.elapsed(key)
        ledger.say(key, "waiting", f"{length.total_seconds():g} s")
        if left > timedelta(0):
            await workflow.sleep(left, summary=task.title[:200])
        return None

    async def _signal(self, name: str, timeout: timedelta | None, key: str) -> Any:
        arrived = self.arrived.setdefault(name, deque())
        left = timeout - self.elapsed(key) if timeout is not None else None
        if not arrived:
            await workflow.wait_condition(lambda: bool(arrived), timeout=left)
        return arrived.popleft()

    def _length(self, task: Wait, frame: Frame) -> timedelta:
        spec = task.wait
        if spec.until is not None:
            until = evaluate(spec.until, frame.scope)
            try:
                moment = datetime.fromisoformat(str(until))
            except ValueError:
                raise TaskFailed(UNFIT, f"`until` gives {until!r}, which is no moment.", task.key) from None
            moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
            return moment - workflow.now() + self.elapsed(frame.key_of(task))
        if isinstance(spec.duration, timedelta):
            return spec.duration
        length = evaluate(spec.duration, frame.scope)
        try:
            return timedelta(seconds=length) if isinstance(length, int | float) else parse_duration(str(length))
        except ValueError as error:
            raise TaskFailed(UNFIT, f"`duration`: {error}", task.key) from None

    async def _approval(self, task: Approval, frame: Frame, key: str, ledger: Ledger) -> Any:
        spec = task.approval
        ledger.say(key, "waiting", "approval")
        left = spec.timeout - self.elapsed(key) if spec.timeout is not None else None
        return await self.approvals.wait(task, key, evaluate(spec.show, frame.scope), left)

    async def _child(self, task: Child, frame: Frame, key: str, ledger: Ledger) -> Any:
        frozen = self.run_input.children[task.flow]
        inputs = evaluate(task.with_, frame.scope)
        refuse_large(inputs, f"what `{task.flow}` is given", task.key)
        attempt = ledger.progress[key].attempt
        given = RunInput(
            flow=frozen.document,
            children=frozen.children,
            hash=frozen.hash,
            inputs=inputs,
            tenant=self.run_input.tenant,
            tags=self.run_input.tags,
        )
        self.in_flight += 1
        try:
            child = await workflow.start_child_workflow(
                "flow",
                given,
                id=child_id(workflow.info().workflow_id, key, attempt),
                cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
                static_summary=task.title[:200],
            )
            self.children[key] = child
            return await child
        finally:
            self.children.pop(key, None)
            self.in_flight -= 1

    # The cache: an agent for each key.

    async def cached(self, flow: str, task: TaskBase, frame: Frame) -> Cached:
        assert task.cache is not None
        key = json.dumps([self.run_input.tenant, flow, task.key, evaluate(task.cache.key, frame.scope)])
        digest = hashlib.sha256(key.encode()).hexdigest()
        keep = task.cache.for_.total_seconds() if task.cache.for_ is not None else None
        found = await self._activity(
            f"cache/{digest}", "cache.look", {}, CACHE_TIMEOUT, f"cache of {task.title}", give_up=CACHE_TIMEOUT
        )
        return Cached(digest, keep, found["found"], found["value"])

    async def keep(self, place: Cached, output: Any) -> None:
        body = {"value": output, "seconds": place.keep_seconds}
        await self._activity(f"cache/{place.key}", "cache.keep", body, CACHE_TIMEOUT, "cache", give_up=CACHE_TIMEOUT)
