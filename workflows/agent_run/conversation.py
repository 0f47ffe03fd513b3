"""The run's way to the brain: to begin in a conversation, to decide, to shorten it, to leave.

Each is one durable step.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError, is_cancelled_exception

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
from ...actors.brain import Compacted, Heard, Move
from ...actors.brain.special import Member
from ...actors.models import Usage
from ..asking import HEARTBEAT_TIMEOUT, RETRY
from .progress import Steps
from .run_input import MAX_ITERATIONS, AgentRunInput, CarriedOn, roles_of

FIRST_LOOK, LAST_LOOK = timedelta(seconds=1), timedelta(seconds=30)  # for a conversation that another run has
SHORT = timedelta(seconds=30)
GIVE_UP = timedelta(hours=24)  # a provider that is away for a day

Told = Sequence[Heard | HeardAside]


@dataclass
class Conversation:
    given: AgentRunInput
    run: str  # names it in all its histories
    agent: str
    carried: CarriedOn
    steps: Steps
    waits_for: str | None = field(default=None, init=False)  # the run that has it
    telling: Told = field(default=(), init=False)  # it may hear this, and the run not of the move that it leads to
    is_asked_for: bool = field(default=False, init=False)  # and so it may be ours, though we have not heard it

    async def begin(self, goal: str, ready: Callable[[], Awaitable[None]]) -> BeginOutput:
        """However long another run has it; `ready` before each look at whether it has it still."""
        request = self._beginning(goal)
        look = FIRST_LOOK if self.given.carried is None else LAST_LOOK
        while True:
            await ready()
            self.is_asked_for = True
            begun: BeginOutput = await self._step(BEGIN_THINKING, request, BeginOutput, f"begin: {self.given.goal}")
            if begun.taken_by is None:
                break
            self.waits_for = begun.taken_by.rpartition("@")[0]
            await workflow.sleep(look, summary=f"{self.agent} works for {self.waits_for}")
            look = min(look * 2, LAST_LOOK)
        self.waits_for = None
        self.carried.begun = True
        self.carried.model = begun.model
        self.carried.max_iterations = self.given.max_iterations or begun.max_iterations or MAX_ITERATIONS
        return begun

    def _beginning(self, goal: str) -> BeginInput:
        given = self.given
        return BeginInput(
            agent=self.agent,
            run=self.run,
            tenant=given.tenant,
            goal=goal,
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
            crew_roles=tuple(roles_of(given.crew)),
        )

    async def decide(self, heard: Told) -> Move:
        self.carried.iterations += 1
        self.telling = heard
        key = str(self.carried.iterations)
        self.steps.begin(key, "decide", "decide")
        workflow.set_current_details(f"decision {key} of at most {self.carried.max_iterations}")
        move: Move = await self._thought(DECIDE, heard, Move, key, f"decision {key}")
        self.steps.end(key, "completed", _note(move))
        self.telling = ()
        self._count(move.usage, move.cost_nanos)
        return move

    def does_not_fit(self, misfit: str) -> None:
        """The answer just decided on: who watches sees why there is another decision."""
        self.steps.say(str(self.carried.iterations), "completed", f"an answer that does not fit: {misfit}")

    async def compact(self) -> None:
        self.carried.compactions += 1
        key = f"{self.carried.iterations}.compact"
        self.steps.begin(key, "shorten the conversation", "compact")
        done = await self._thought(COMPACT, (), Compacted, key, "shorten the conversation")
        self.steps.end(key, "completed", f"entries {done.first} to {done.last} became a summary")
        self._count(done.usage, done.cost_nanos)

    async def leave(self, heard: Told) -> None:
        """It is free for the next run. Who cannot be told finds out when it looks for us."""
        if not (self.carried.begun or self.is_asked_for):
            return
        request = LeaveInput(
            agent=self.agent,
            run=self.run,
            tenant=self.given.tenant,
            heard=tuple(heard),
            again=tuple(self.telling),
            step=self._step_of(str(self.carried.iterations)),
        )
        try:
            await self._step(END_THINKING, request, None, "leave", give_up=timedelta(minutes=2))
        except ActivityError as error:
            workflow.logger.warning("%s was not told that the run is over: %s", self.agent, error.cause or error)

    async def _thought(self, activity: str, heard: Told, kind: Any, key: str, title: str) -> Any:
        request = DecideInput(
            agent=self.agent,
            run=self.run,
            tenant=self.given.tenant,
            step=self._step_of(key),
            heard=tuple(heard),
            budget=self.given.budget,
            timeout_seconds=self.given.timeout_seconds,
        )
        try:
            return await self._step(activity, request, kind, title, timedelta(seconds=self.given.timeout_seconds))
        except asyncio.CancelledError:
            self.steps.end(key, "cancelled")
            raise
        except ActivityError as error:
            self._say_why(key, error)
            raise

    def _say_why(self, key: str, error: ActivityError) -> None:
        cancelled = is_cancelled_exception(error)
        why = error.cause.message if isinstance(error.cause, FailureError) else str(error)
        self.steps.end(key, "cancelled" if cancelled else "failed", "" if cancelled else why)

    def _step_of(self, key: str) -> str:
        """Names it within all runs."""
        return f"{self.run}/{key}"

    async def _step(
        self,
        name: str,
        request: Any,
        kind: Any,
        title: str,
        timeout: timedelta = SHORT,
        *,
        give_up: timedelta = GIVE_UP,
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


def _note(move: Move) -> str:
    match move.kind:
        case "again":
            return f"asked again: {move.why}"
        case "answer":
            return move.why or "the answer"
        case _:
            return move.why or move.text[:200]
