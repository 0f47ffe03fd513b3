"""Where tools are called on a real Postgres: policy answers as a test says, and what tools do is counted."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from resprout.activities.approve import Approve
from resprout.activities.contracts import AnswerInput, ToolDone, ToolInDoubt, ToolInput, ToolWaits
from resprout.activities.tools.calling import ToolCaller
from resprout.activities.tools.doubts import Doubts
from resprout.activities.tools.manifest import Rate
from resprout.activities.tools.plan import Begin, Plan
from resprout.activities.tools.policy import Decision, Question, Verdict
from resprout.activities.tools.secrets import Secrets
from resprout.activities.tools.tool import Tool, ToolCall, tool
from resprout.activities.tools.toolbox import Toolbox
from resprout.memory.approvals import Approvals
from resprout.memory.audit import Audit, AuditEvent
from resprout.memory.database import Database
from resprout.memory.effects import Effects
from resprout.runtime.secrets import SecretsFromEnvironment

AGENT = ("user:ada", "run:publish", "agent:writer/a")


@dataclass
class Rules:
    """Answers as the test says; what was asked is kept."""

    verdict: Verdict = "allow"
    answers: Verdict = "allow"
    who: tuple[str, ...] = ()
    lasts: float | None = None
    asked: list[Question] = field(default_factory=list)

    async def decide(self, question: Question) -> Decision:
        self.asked.append(question)
        verdict = self.verdict if question.action == "tool.call" else self.answers
        return Decision(verdict, ("the test says so.",), who=self.who, expires_seconds=self.lasts, policy="test")


@dataclass
class World:
    """What tools do, counted: a list would be a set with fewer mistakes."""

    done: list[str] = field(default_factory=list)
    seen: list[ToolCall] = field(default_factory=list)
    meanwhile: asyncio.Event = field(default_factory=asyncio.Event)
    ends_badly: BaseException | None = None

    def tools(self) -> list[Tool]:
        async def act(call: ToolCall, what: str = "it", hang: bool = False) -> str:
            """Does something to the world."""
            self.seen.append(call)
            self.done.append(what)
            self.meanwhile.set()
            if hang:
                await asyncio.Event().wait()
            if self.ends_badly is not None:
                raise self.ends_badly
            return f"did {what}"

        named = {"safe": "safe-to-retry", "keyed": "keyed", "once": "at-most-once"}
        contracts: dict[str, Any] = named
        made = [
            tool(f"world.{name}", version="1.0.0", contract=contract, timeout=timedelta(seconds=20))(act)
            for name, contract in contracts.items()
        ]

        def halve() -> str:
            """Gives half of a character."""
            return "\ud800"

        made.append(tool("world.half", version="1.0.0", contract="safe-to-retry")(halve))
        rated = tool("world.rated", version="1.0.0", contract="keyed", rate=Rate(calls=2, per=timedelta(minutes=1)))
        quick = tool("world.quick", version="1.0.0", contract="at-most-once", timeout=timedelta(milliseconds=50))
        return [*made, rated(act), quick(act)]


@dataclass
class Desk:
    caller: ToolCaller
    rules: Rules
    world: World
    doubts: Doubts
    approve: Approve
    log: list[AuditEvent]
    tenant: str = field(default_factory=lambda: uuid4().hex)
    steps: int = 0

    def request(self, name: str, chain: Sequence[str] = AGENT, **arguments: Any) -> ToolInput:
        self.steps += 1
        step = f"run-1/{self.tenant}/{self.steps}"
        return ToolInput(tool=name, arguments=arguments, step=step, task="send", chain=tuple(chain), tenant=self.tenant)

    async def call(self, request: ToolInput) -> ToolDone | ToolWaits | ToolInDoubt:
        return await self.caller.call(request, "run-1")

    async def output(self, request: ToolInput) -> Any:
        result = await self.call(request)
        assert isinstance(result, ToolDone), result
        return result.output

    async def killed(self, request: ToolInput) -> None:
        """An attempt whose process ends in the middle of the effect: nobody says anything of its end."""
        leaving = replace(self.caller, is_leaving=lambda: True)
        self.world.meanwhile.clear()
        task = asyncio.create_task(leaving.call(request, "run-1"))
        await self.world.meanwhile.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def answer(self, request: ToolInput, *, approved: bool = True, by: str = "bob", **edited: Any) -> None:
        await self.approve._answer(
            AnswerInput(approval=request.step, approved=approved, by=by, arguments=edited or None)
        )

    async def rows(self, request: ToolInput) -> list[tuple[str, str]]:
        """What is left of it in the audit log."""
        rows = await Audit(self.caller.effects.open).search(tenant=self.tenant)
        return [(row.kind, " ".join(row.reasons)) for row in reversed(rows) if row.step == request.step]


def desk_of(database: Database, workspace: Path) -> Desk:
    log: list[AuditEvent] = []

    async def audit(events: Sequence[AuditEvent]) -> None:
        log.extend(events)

    def uses(plan: Plan, began: Begin) -> ToolCall:
        return ToolCall(key=plan.call_key, tenant="default", principal=plan.question.actor, workspace=workspace)

    rules, world = Rules(), World()
    toolbox, effects, approvals = Toolbox(world.tools()), Effects(database.opened), Approvals(database.opened)
    caller = ToolCaller(toolbox, rules, effects, approvals, audit, Secrets(SecretsFromEnvironment()), uses)
    return Desk(caller, rules, world, Doubts(rules, effects, audit), Approve(approvals, rules, toolbox, audit), log)
