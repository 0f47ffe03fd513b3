"""The loop: what was heard goes to the brain, its move comes back, the hands do it; until there is an answer.

The conversation is the brain's and never in the history: a step carries what it adds. Each decision and each call is
one durable step, so whatever is killed, what was paid for is not paid again.
"""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from ...activities.contracts import HeardAside
from ...actors.brain import Heard, Move
from ...actors.models import ToolUse
from .. import search_attributes
from ..flow.schemas import misfit
from ..interpreter.approvals import Answer, Approvals
from ..interpreter.budgets import open_budget
from ..interpreter.failures import BUDGET, REFUSED, UNUSABLE, TaskFailed, failure_of
from ..interpreter.run_input import UNKNOWN_STARTER, bad_input, nothing, refuse_nothing
from ..interpreter.shield import shielded
from ..interpreter.steps import PAUSE
from ..state_page import page_of
from .children import Children
from .conversation import Conversation, Told
from .hands import Hands
from .progress import Steps
from .run_input import (
    MOST_EVENTS,
    TASK_TIMEOUT,
    AgentResult,
    AgentRunInput,
    CarriedOn,
    conversation_of,
    own_conversation,
)

MOST_STEERED = 100
NO_INPUT = nothing(AgentRunInput)
NAMED_BY_RUN = "conversation-named-by-run"  # those of runs that began before this are named by the id alone
SHORT_HISTORIES = "short-histories"  # those of runs that began before this are as long as Temporal suggests
SOON = timedelta(milliseconds=1)
MOST_REPAIRS = 3  # in a row: whoever has not understood by then is paid for nothing


@workflow.defn(name="agent")
class AgentRun:
    @workflow.init
    def __init__(self, given: AgentRunInput = NO_INPUT) -> None:
        refuse_nothing(given)
        info = workflow.info()
        self.run_name = f"{info.workflow_id}@{info.first_execution_run_id}"
        self.given_first = given
        if given.limits is not None:
            given = given.model_copy(update={"budget": self.run_name})
        self.given = given
        self.own, agent = self._conversation(given)
        chain = (*(given.chain or (UNKNOWN_STARTER,)), f"agent:{given.principal}"[:250])
        carried = self.carried = given.carried or CarriedOn(begun=False, started_at=info.start_time.isoformat())
        self.steered = list(carried.steered)
        self.paused = carried.paused
        self.steps = Steps()
        self.approvals = Approvals({})
        self.conversation = Conversation(given, self.run_name, agent, carried, self.steps)
        self.children = Children(given, agent, lambda: self.paused)
        offered = dict(carried.tools)
        self.hands = Hands(
            given, self.run_name, chain, self.approvals, {}, offered, self.steps, self.children, self._gate
        )
        self.said = "paused" if self.paused else "running"
        self.unheard: Told = carried.heard  # what came of the last move, before the brain is told
        self.is_leaving = False

    def _conversation(self, given: AgentRunInput) -> tuple[str, str]:
        """The run whose own it is, for who continues it, and whose it is."""
        if given.carried is not None and given.carried.agent is not None:
            return given.continues or self.run_name, given.carried.agent
        if given.agent is None and (given.carried is not None or not workflow.patched(NAMED_BY_RUN)):
            own = workflow.info().workflow_id
            return given.continues or f"{own}@", conversation_of(given, own)
        if given.continues is not None and "@" not in given.continues:
            which = given.continues
            raise bad_input(
                f"`continues` is {which!r}: write the run as its state names it, {which}@…, or go on with it by "
                f"`resprout runs continue {which}`."
            )
        return given.continues or self.run_name, conversation_of(given, self.run_name)

    @workflow.run
    async def run(self, given: AgentRunInput = NO_INPUT) -> AgentResult:
        if given.carried is None:
            search_attributes.introduce(given.principal, None, given.tenant, given.tags)
        telling = asyncio.create_task(self._tell_status())
        try:
            self._refuse_own_conversation()
            result = await self._work()
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

    async def _work(self) -> AgentResult:
        if not self.carried.begun:
            begun = await self.conversation.begin(_goal(self.given), self._may_look)
            self.hands.offered.update(begun.tools)
            await self._open_budget()
        limits, until = self.given.limits, self.carried.until
        if until is None or limits is None or limits.time is None:
            return await self._loop()
        left = max(datetime.fromisoformat(until) - workflow.now(), SOON)
        try:
            async with asyncio.timeout(left.total_seconds()):
                return await self._loop()
        except TimeoutError:
            said = f"its time budget of {limits.time.total_seconds():g} s has passed."
            raise TaskFailed(BUDGET, said, "agent") from None

    async def _open_budget(self) -> None:
        """Of its own, if it has limits. Its time begins when it has the conversation."""
        given, limits = self.given, self.given.limits
        if limits is None:
            return
        if limits.time is not None:
            self.carried.until = (workflow.now() + limits.time).isoformat()
        # Named by the run: the agents of runs without a key are all called the same.
        await open_budget(limits, workflow.info().workflow_id, self.run_name, self.given_first.budget, given.tenant)

    async def _loop(self) -> AgentResult:
        while True:
            await self._gate()
            if self.is_last:
                return self._result("yielded", None, f"{self.carried.iterations} iterations were all that it had.")
            if _is_long():
                await self._carry_over()
            heard, self.unheard = [*self.unheard, *self._taken_steering()], ()
            move = await self.conversation.decide(heard)
            result = await self._follow(move)
            if result is not None:
                return result

    async def _follow(self, move: Move) -> AgentResult | None:
        """The end, if the move is that. What came of it otherwise is not heard yet."""
        match move.kind:
            case "compact":
                await self.conversation.compact()
            case "more":
                pass
            case "again":
                self._refuse_endless_repairs(move.why)
            case "half":
                return self._result("yielded", move.text, move.why)
            case "refused":
                remedy = "Say the goal in other words, or give it to another model."
                raise TaskFailed(REFUSED, f"{move.why}. {remedy}", "agent")
            case "answer":
                return self._answered(move)
            case "use":
                self.carried.repairs = 0
                await self._use(move.uses)
                if (over := self.hands.handed_over) is not None:
                    return self._result(over.status, over.answer, f"handed over to {over.agent}. {over.note}".strip())
        return None

    async def _use(self, uses: tuple[ToolUse, ...]) -> None:
        """Of a move that is broken off, what was done is known, too."""
        done: dict[int, Heard | HeardAside] = {}
        try:
            await self.hands.do(uses, self.carried.iterations, done)
        finally:
            self.unheard = [done[place] for place in sorted(done)]

    def _answered(self, move: Move) -> AgentResult | None:
        wrong = self._misfit(move)
        if wrong is None and (self.is_last or not self.steered):
            return self._result("answered", move.value if self.given.answer else move.text, move.why)
        if wrong is not None:
            self.conversation.does_not_fit(wrong)
            said = f"Your answer does not fit the form that was asked for: {wrong}. Answer again."
            self._refuse_endless_repairs(said)
            self.unheard = [Heard(text=said)]
        return None

    def _refuse_endless_repairs(self, why: str) -> None:
        self.carried.repairs += 1
        if self.carried.repairs > MOST_REPAIRS:
            times = f"What the model said could not be used {self.carried.repairs} times in a row"
            remedy = "Give it to another model, or ask for a simpler form of the answer."
            raise TaskFailed(UNUSABLE, f"{times}. The last time it was told: {why} {remedy}", "agent")

    def _misfit(self, move: Move) -> str | None:
        if self.given.answer is None:
            return None
        return misfit(move.value, self.given.answer)

    @property
    def is_last(self) -> bool:
        """Nothing more can be decided."""
        return self.carried.iterations >= self.carried.max_iterations

    def _refuse_own_conversation(self) -> None:
        if self.conversation.agent in self.given.within:
            raise bad_input(own_conversation(self.conversation.agent))

    async def _leave(self) -> None:
        self.is_leaving = True  # what is said from now on would be lost
        await self.conversation.leave([*self.unheard, *self._taken_steering()])

    def _result(self, status: Any, answer: Any, note: str) -> AgentResult:
        carried = self.carried
        return AgentResult(
            status=status,
            answer=answer,
            agent=self.conversation.agent,
            note=note,
            model=carried.model,
            iterations=carried.iterations,
            tool_calls=carried.tool_calls + self.hands.calls,
            compactions=carried.compactions,
            usage=carried.usage,
            cost_nanos=carried.cost_nanos,
        )

    def _failed(self, failure: TaskFailed) -> ApplicationError:
        told = {"type": failure.type, "message": failure.message, "task": None, "agent": self.conversation.agent}
        return ApplicationError(failure.message, told, type=failure.type, non_retryable=True)

    # From history to history.

    async def _may_look(self) -> None:
        """While another run has the conversation, for days maybe."""
        await self._gate()
        if _is_long():
            await self._carry_over()

    async def _carry_over(self) -> None:
        """Where nothing is in flight."""
        await workflow.wait_condition(workflow.all_handlers_finished)
        carried = self.carried.model_copy(
            update={
                "agent": self.conversation.agent,
                "heard": tuple(self.unheard),
                "tool_calls": self.carried.tool_calls + self.hands.calls,
                "tools": self.hands.offered,
                "steered": tuple(self.steered),
                "paused": self.paused,
            }
        )
        workflow.continue_as_new(self.given_first.model_copy(update={"carried": carried}), task_timeout=TASK_TIMEOUT)

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
        if self.conversation.waits_for is not None:
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
        if self.is_leaving:
            raise bad_input("the run is at its end and hears nothing more: go on with `resprout runs continue`.")
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
            "agent": self.conversation.agent,
            "continues": self.own,
            "iterations": self.carried.iterations,
            "usage": self.carried.usage.model_dump(),
            "cost_nanos": self.carried.cost_nanos,
            "waits_for": self.conversation.waits_for,
            "tasks": self.steps.as_json(),
            "approvals": [pending.as_json(key) for key, pending in self.approvals.pending.items()],
        }

    @workflow.query
    def state_page(self, start: int) -> dict[str, Any]:
        """A part of the state as JSON: whoever watches a run looks often, and no look shall leave a large payload."""
        return page_of(self.state(), start)


def _is_long() -> bool:
    info = workflow.info()
    if info.is_continue_as_new_suggested():
        return True
    return info.get_current_history_length() > MOST_EVENTS and workflow.patched(SHORT_HISTORIES)


def _goal(given: AgentRunInput) -> str:
    if not given.with_:
        return given.goal
    return f"{given.goal}\n\nWhat you are given:\n{json.dumps(given.with_, ensure_ascii=False, indent=1)}"
