"""The loop: what was heard goes to the brain, its move comes back, the hands do it; until there is an answer.

The conversation is the brain's and never in the history: a step carries what it adds. Each decision and each call is
one durable step, so whatever is killed, what was paid for is not paid again.
"""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from ...activities.contracts import (
    BEGIN_THINKING,
    COMPACT,
    DECIDE,
    END_THINKING,
    BeginInput,
    BeginOutput,
    DecideInput,
    HeardAside,
    LeaveInput,
)
from ...actors.address import LONGEST_KEY
from ...actors.brain import Compacted, Heard, Move
from ...actors.brain.special import Member
from ...actors.models import Usage
from .. import search_attributes
from ..asking import HEARTBEAT_TIMEOUT, RETRY
from ..flow.schemas import sentences
from ..interpreter.approvals import Answer, Approvals
from ..interpreter.budgets import open_budget
from ..interpreter.failures import TaskFailed, failure_of
from ..interpreter.run_input import bad_input
from ..interpreter.shield import shielded
from ..interpreter.steps import PAUSE, UNKNOWN_STARTER
from ..state_page import page_of
from .children import Children
from .hands import Hands
from .progress import Steps
from .run_input import KIND, MAX_ITERATIONS, AgentResult, AgentRunInput, CarriedOn

FIRST_LOOK, LAST_LOOK = timedelta(seconds=1), timedelta(seconds=30)  # for a conversation that another run has
SHORT = timedelta(seconds=30)
GIVE_UP = timedelta(hours=24)  # a provider that is away for a day
MOST_STEERED = 100


@workflow.defn(name="agent")
class AgentRun:
    @workflow.init
    def __init__(self, given: AgentRunInput) -> None:
        info = workflow.info()
        self.run_name = f"{info.workflow_id}@{info.first_execution_run_id}"
        self.around = given.budget  # of who started it
        if given.limits is not None:
            given = given.model_copy(update={"budget": self.run_name})
        self.given = given
        self.agent = f"{KIND}/{_key(given, info.workflow_id)}"
        self.chain = (*(given.chain or (UNKNOWN_STARTER,)), f"agent:{given.principal}"[:250])
        carried = self.carried = given.carried or CarriedOn(started_at=info.start_time.isoformat())
        self.steered = list(carried.steered)
        self.paused = carried.paused
        self.steps = Steps()
        self.approvals = Approvals({})
        self.children = Children(given, lambda: self.paused)
        offered = dict(carried.tools)
        self.hands = Hands(
            given, self.run_name, self.chain, self.approvals, {}, offered, self.steps, self.children, self._gate
        )
        self.said = "paused" if self.paused else "running"
        self.waits_for: str | None = None  # the run that has the conversation
        self.unheard: Sequence[Heard | HeardAside] = ()  # what came of the last move, before the brain is told

    @workflow.run
    async def run(self, given: AgentRunInput) -> AgentResult:
        if given.carried is None:
            search_attributes.introduce(given.principal, None, given.tenant, given.tags)
        telling = asyncio.create_task(self._tell_status())
        try:
            result = await self._loop()
        except asyncio.CancelledError:
            await shielded(self._leave())
            raise
        except Exception as error:  # noqa: BLE001 - goes on as a failure
            await shielded(self._leave())
            raise self._failed(failure_of(error, "agent")) from None
        finally:
            telling.cancel()
        await shielded(self._leave())
        return result

    async def _loop(self) -> AgentResult:
        if self.given.carried is None:
            await self._begin()
        self.unheard = self.carried.heard
        while True:
            await self._gate()
            if self.carried.iterations >= self.carried.max_iterations:
                return self._result("yielded", None, f"{self.carried.iterations} iterations were all that it had.")
            if workflow.info().is_continue_as_new_suggested():
                await self._carry_over(self.unheard)
            self.unheard = [*self.unheard, *self._taken_steering()]
            move = await self._decide(self.unheard)
            self.unheard = ()
            result = await self._follow(move)
            if result is not None:
                return result

    async def _follow(self, move: Move) -> AgentResult | None:
        """The end, if the move is that. What came of it otherwise is not heard yet."""
        match move.kind:
            case "compact":
                await self._compact()
            case "again":
                pass
            case "answer":
                misfit = self._misfit(move)
                if misfit is None and not self.steered:
                    return self._result("answered", move.value if self.given.answer else move.text, move.why)
                self.unheard = [Heard(text=misfit)] if misfit is not None else ()
            case "use":
                self.unheard = await self.hands.do(move.uses, self.carried.iterations)
                if (over := self.hands.handed_over) is not None:
                    return self._result(over.status, over.answer, f"handed over to {over.agent}. {over.note}".strip())
        return None

    def _misfit(self, move: Move) -> str | None:
        if self.given.answer is None:
            return None
        said = [f"{_place(path)}{text}" for path, text in sentences(move.value, self.given.answer)]
        if not said:
            return None
        return f"Your answer does not fit the form that was asked for: {'; '.join(said[:10])}. Answer again."

    # The brain.

    async def _begin(self) -> None:
        given = self.given
        if given.limits is not None:
            await open_budget(given.limits, given.principal, self.run_name, self.around, given.tenant)
        request = BeginInput(
            agent=self.agent,
            run=self.run_name,
            tenant=given.tenant,
            goal=_goal(given),
            role=given.role,
            variables=given.variables,
            system=given.system,
            model=given.model,
            tools=given.tools,
            answer=given.answer,
            max_tokens=given.max_tokens,
            temperature=given.temperature,
            person=given.person,
            crew=tuple(Member(name=name, description=one.description) for name, one in given.crew.items()),
        )
        look = FIRST_LOOK
        while True:
            begun: BeginOutput = await self._step(BEGIN_THINKING, request, BeginOutput, f"begin: {given.goal}", SHORT)
            if begun.taken_by is None:
                break
            self.waits_for = begun.taken_by.rpartition("@")[0]
            await workflow.sleep(look, summary=f"{self.agent} works for {self.waits_for}")
            look = min(look * 2, LAST_LOOK)
        self.waits_for = None
        self.hands.offered.update(begun.tools)
        self.carried.model = begun.model
        self.carried.max_iterations = given.max_iterations or begun.max_iterations or MAX_ITERATIONS

    async def _decide(self, heard: Sequence[Heard | HeardAside]) -> Move:
        self.carried.iterations += 1
        key = str(self.carried.iterations)
        self.steps.begin(key, "decide", "decide")
        workflow.set_current_details(f"decision {key} of at most {self.carried.max_iterations}")
        try:
            move: Move = await self._thought(DECIDE, heard, Move, key, f"decision {key}")
        except BaseException as error:
            self.steps.end(key, "failed", str(error) if isinstance(error, ActivityError) else type(error).__name__)
            raise
        self.steps.end(key, "completed", move.why or (move.text[:200] if move.kind != "answer" else "the answer"))
        self._count(move.usage, move.cost_nanos)
        return move

    async def _compact(self) -> None:
        self.carried.compactions += 1
        key = f"{self.carried.iterations}.compact"
        self.steps.begin(key, "shorten the conversation", "compact")
        done = await self._thought(COMPACT, (), Compacted, key, "shorten the conversation")
        self.steps.end(key, "completed", f"entries {done.first} to {done.last} became a summary")
        self._count(done.usage, done.cost_nanos)

    async def _thought(self, activity: str, heard: Any, kind: Any, key: str, title: str) -> Any:
        request = DecideInput(
            agent=self.agent,
            run=self.run_name,
            tenant=self.given.tenant,
            step=f"{self.run_name}/{key}",
            heard=tuple(heard),
            budget=self.given.budget,
            timeout_seconds=self.given.timeout_seconds,
        )
        return await self._step(activity, request, kind, title, timedelta(seconds=self.given.timeout_seconds))

    async def _leave(self) -> None:
        """The conversation is free for the next run. Who cannot be told finds out when it looks for us."""
        heard = (*self.unheard, *self._taken_steering())
        request = LeaveInput(agent=self.agent, run=self.run_name, tenant=self.given.tenant, heard=heard)
        try:
            await self._step(END_THINKING, request, None, "leave", SHORT, give_up=timedelta(minutes=2))
        except ActivityError as error:
            workflow.logger.warning("%s was not told that the run is over: %s", self.agent, error.cause or error)

    async def _step(
        self, name: str, request: Any, kind: Any, title: str, timeout: timedelta, *, give_up: timedelta = GIVE_UP
    ) -> Any:
        return await workflow.execute_activity(
            name,
            request,
            result_type=kind,
            start_to_close_timeout=timeout + SHORT,
            schedule_to_close_timeout=give_up,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RETRY,
            summary=title[:200],
        )

    def _count(self, usage: Usage, cost_nanos: int | None) -> None:
        carried = self.carried
        carried.usage = carried.usage + usage
        known = carried.cost_nanos is not None and cost_nanos is not None
        carried.cost_nanos = (carried.cost_nanos or 0) + (cost_nanos or 0) if known else None

    def _result(self, status: Any, answer: Any, note: str) -> AgentResult:
        carried = self.carried
        return AgentResult(
            status=status,
            answer=answer,
            agent=self.agent,
            note=note,
            model=carried.model,
            iterations=carried.iterations,
            tool_calls=carried.tool_calls + self.hands.calls,
            compactions=carried.compactions,
            usage=carried.usage,
            cost_nanos=carried.cost_nanos,
        )

    def _failed(self, failure: TaskFailed) -> ApplicationError:
        told = {"type": failure.type, "message": failure.message, "task": None, "agent": self.agent}
        return ApplicationError(failure.message, told, type=failure.type, non_retryable=True)

    # From history to history.

    async def _carry_over(self, heard: Sequence[Heard | HeardAside]) -> None:
        """Between two decisions nothing is in flight."""
        await workflow.wait_condition(workflow.all_handlers_finished)
        carried = self.carried.model_copy(
            update={
                "heard": tuple(heard),
                "tool_calls": self.carried.tool_calls + self.hands.calls,
                "tools": self.hands.offered,
                "steered": tuple(self.steered),
                "paused": self.paused,
            }
        )
        workflow.continue_as_new(self.given.model_copy(update={"carried": carried}))

    def _taken_steering(self) -> list[Heard]:
        taken, self.steered = self.steered, []
        return [Heard(text=text) for text in taken]

    async def _gate(self) -> None:
        if self.paused:
            await workflow.wait_condition(lambda: not self.paused)

    @property
    def status(self) -> str:
        if self.paused:
            return "paused"
        if self.waits_for is not None:
            return "waiting"
        return "waiting" if self.approvals.pending and not self.hands.at_work else "running"

    async def _tell_status(self) -> None:
        while True:
            await workflow.wait_condition(lambda: self.status != self.said)
            self.said = self.status
            search_attributes.say(self.said)

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
        if paused != self.paused:
            self.paused = paused
            await self.children.pause(paused)

    @workflow.update
    def steer(self, text: str) -> None:
        """Said into the turn: the agent hears it with its next decision."""
        self.steered.append(text)

    @steer.validator
    def _steering_fits(self, text: str) -> None:
        if not text.strip():
            raise bad_input("there is nothing to be said: give a text.")
        if len(text) > 20_000:
            raise bad_input(f"{len(text):,} characters are more than the 20,000 that can be said into a turn.")
        if len(self.steered) >= MOST_STEERED:
            raise bad_input(f"{MOST_STEERED} things were said already that it has not heard yet.")

    @workflow.update
    async def answer(self, answer: Answer) -> str:
        """Answers a question or an approval, or says what became of a call in doubt; returns its key."""
        return await self.approvals.take(answer)

    @answer.validator
    def _answer_fits(self, answer: Answer) -> None:
        problem = self.approvals.problem(answer)
        if problem is not None:
            raise bad_input(problem)

    # What can be asked of it.

    @workflow.query
    def state(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "version": self.steps.version,
            "agent": self.agent,
            "iterations": self.carried.iterations,
            "usage": self.carried.usage.model_dump(),
            "cost_nanos": self.carried.cost_nanos,
            "waits_for": self.waits_for,
            "tasks": self.steps.as_json(),
            "approvals": [pending.as_json(key) for key, pending in self.approvals.pending.items()],
        }

    @workflow.query
    def state_page(self, start: int) -> dict[str, Any]:
        """A part of the state as JSON: whoever watches a run looks often, and no look shall leave a large payload."""
        return page_of(self.state(), start)


def _key(given: AgentRunInput, workflow_id: str) -> str:
    """Of the conversation: the role's own, by name; or one for this run alone."""
    key = given.agent or workflow_id
    if given.role is not None:
        key = f"{given.role}.{key}"
    return key if len(key) <= LONGEST_KEY else f"{key[:180]}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _goal(given: AgentRunInput) -> str:
    if not given.with_:
        return given.goal
    return f"{given.goal}\n\nWhat you are given:\n{json.dumps(given.with_, ensure_ascii=False, indent=1)}"


def _place(path: Any) -> str:
    return f"`{'.'.join(map(str, path))}`: " if path else ""
