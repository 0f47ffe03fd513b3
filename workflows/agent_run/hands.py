"""What an agent's move asks for, done: tools, people, other agents. All of one move at the same time.

Whatever goes wrong with one of them is what the agent hears of it, and no failure of the run: it can do otherwise.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import JsonValue
from temporalio import workflow

from ...activities.contracts import HeardAside, ToolDone, ToolInput
from ...actors.brain import Heard, as_heard
from ...actors.brain.special import ASK_PERSON, DELEGATE, HAND_OVER
from ...actors.models import ToolUse
from ..flow.model import Approval, ApprovalSpec
from ..interpreter.approvals import Approvals, PendingTask, decision_on, put_in_inbox
from ..interpreter.failures import TaskFailed, failure_of
from ..interpreter.tool_calls import ToolCalls
from .children import Children
from .progress import Steps
from .run_input import AgentResult, AgentRunInput

ASIDE_OVER = 400  # characters of a result that stand in the history


@dataclass
class Hands:
    given: AgentRunInput
    run: str  # names it in all its histories
    chain: tuple[str, ...]
    approvals: Approvals
    versions: dict[str, str]
    offered: dict[str, str]
    steps: Steps
    children: Children
    gate: Callable[[], Awaitable[None]]
    handed_over: AgentResult | None = None
    calls: int = 0
    at_work: set[str] = field(default_factory=set)

    async def do(self, uses: tuple[ToolUse, ...], iteration: int, done: dict[int, Heard | HeardAside]) -> None:
        """What comes of each is put in `done`, by its place: who breaks them off knows which have ended."""

        async def one(place: int, use: ToolUse) -> None:
            done[place] = await self._one(use, _key(iteration, place))

        await asyncio.gather(*(one(place, use) for place, use in enumerate(uses)))

    async def _one(self, use: ToolUse, key: str) -> Heard | HeardAside:
        await self.gate()
        self.calls += 1
        self.steps.begin(key, use.name, "tool")
        try:
            heard = await self._kind(use.name)(use, key)
        except Exception as error:  # noqa: BLE001 - it is what the agent hears
            failure = failure_of(error, key)
            self.steps.end(key, "failed", failure.message)
            return Heard(use=use.id, text=f"{failure.type}: {failure.message}", failed=True)
        except asyncio.CancelledError:
            self.steps.end(key, "cancelled")
            raise
        self.steps.end(key, "completed")
        return heard

    def _kind(self, name: str) -> Callable[[ToolUse, str], Awaitable[Heard | HeardAside]]:
        special = {ASK_PERSON: self._person, DELEGATE: self._delegate, HAND_OVER: self._hand_over}
        return special.get(name, self._tool)

    async def _tool(self, use: ToolUse, key: str) -> Heard | HeardAside:
        call = ToolInput(
            tool=self.offered[use.name],
            arguments=use.arguments,
            step=f"{self.run}/{key}",
            task=key,
            chain=self.chain,
            tenant=self.given.tenant,
            budget=self.given.budget,
            aside_over=ASIDE_OVER,
        )
        done = await ToolCalls(self.approvals, self.versions).done(call, use.name, _Told(self, key))
        return _heard(use, done)

    async def _person(self, use: ToolUse, key: str) -> Heard:
        question = str(use.arguments.get("question", ""))
        spec = ApprovalSpec(show={"question": question}, form={"answer": {"type": "string"}})
        task = Approval(id="question", name=f"a question of {workflow.info().workflow_id}"[:200], approval=spec)
        self.steps.say(key, "waiting", "a person's answer")

        async def ask(pending: PendingTask, left: timedelta | None) -> str:
            return await put_in_inbox(pending, f"{self.run}/{key}", key, self.chain, self.given.tenant, left)

        said = await decision_on(self.approvals, task, key, {}, None, ask)
        if not said["approved"]:
            return Heard(use=use.id, text=f"{said['by']} does not answer: {said['comment']}", failed=True)
        return Heard(use=use.id, text=str(said["form"].get("answer", "")))

    async def _delegate(self, use: ToolUse, key: str) -> Heard:
        result = await self._child(use, key)
        return Heard(use=use.id, text=_said(result))

    async def _hand_over(self, use: ToolUse, key: str) -> Heard:
        result = await self._child(use, key, self.given.answer)
        self.handed_over = result
        return Heard(use=use.id, text=_said(result))

    async def _child(self, use: ToolUse, key: str, answer: dict[str, JsonValue] | None = None) -> AgentResult:
        name, goal = str(use.arguments.get("to", "")), str(use.arguments.get("goal", ""))
        member = self.given.crew.get(name)
        if member is None:
            known = ", ".join(self.given.crew) or "nobody"
            raise TaskFailed("Rejected", f"there is no `{name}` to give work to: {known}.", key)
        return await self.children.run(member, name, goal, key, self.chain, answer)


@dataclass
class _Told:
    """What a call of a tool does, for whoever watches."""

    hands: Hands
    key: str

    def acts(self, acts: bool) -> None:
        (self.hands.at_work.add if acts else self.hands.at_work.discard)(self.key)

    def waits(self, note: str) -> None:
        self.hands.steps.say(self.key, "waiting", note)

    def goes_on(self) -> None:
        self.hands.steps.say(self.key, "running")


def _heard(use: ToolUse, done: ToolDone) -> Heard | HeardAside:
    if done.aside is not None:
        return HeardAside(use=use.id, aside=done.aside)
    return Heard(use=use.id, text=as_heard(done.output))


def _said(result: AgentResult) -> str:
    if result.status == "answered":
        return as_heard(result.answer)
    so_far = f" What it had said: {as_heard(result.answer)}" if result.answer is not None else ""
    return f"It stopped unfinished: {result.note}{so_far}"


def _key(iteration: int, number: int) -> str:
    return f"{iteration}.{number + 1}"
