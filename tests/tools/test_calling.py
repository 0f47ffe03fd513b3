"""One call of a tool: what is decided, written down, done and repeated, on a real Postgres."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from resprout.activities.approve import Approve
from resprout.activities.contracts import AnswerInput, ResolveInput, ToolDone, ToolInDoubt, ToolInput, ToolWaits
from resprout.activities.sandbox.backend import InDoubt
from resprout.activities.tools.calling import (
    Begin,
    Denied,
    Plan,
    RecordedFailure,
    Throttled,
    ToolCaller,
    idempotency_key,
)
from resprout.activities.tools.doubts import Doubts
from resprout.activities.tools.manifest import Rate
from resprout.activities.tools.policy import Decision, Question, Verdict
from resprout.activities.tools.secrets import Secrets
from resprout.activities.tools.tool import Tool, ToolCall, ToolError, tool
from resprout.activities.tools.toolbox import Toolbox
from resprout.actors.errors import NotRunning, Rejected
from resprout.memory.approvals import Approvals
from resprout.memory.audit import AuditEvent
from resprout.memory.database import Database
from resprout.memory.effects import Effects
from resprout.memory.migrate import migrate
from resprout.memory.tools import ToolRegistry
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


@pytest.fixture(scope="module")
async def database(postgres: str) -> AsyncIterator[Database]:
    """One for all of these: each has a tenant of its own."""
    admin = await asyncpg.connect(postgres)
    await admin.execute("CREATE DATABASE calling")
    dsn = postgres.replace("@/resprout?", "@/calling?")
    await migrate(dsn)
    try:
        async with await Database.open(dsn) as database:
            yield database
    finally:
        await admin.execute("DROP DATABASE calling WITH (FORCE)")
        await admin.close()


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> Desk:
    log: list[AuditEvent] = []

    async def audit(events: Sequence[AuditEvent]) -> None:
        log.extend(events)

    def uses(plan: Plan, began: Begin) -> ToolCall:
        return ToolCall(
            key=idempotency_key(plan.key), tenant="default", principal=plan.question.actor, workspace=tmp_path
        )

    rules, world = Rules(), World()
    toolbox, effects, approvals = Toolbox(world.tools()), Effects.of(database), Approvals.of(database)
    caller = ToolCaller(toolbox, rules, effects, approvals, audit, Secrets(SecretsFromEnvironment()), uses)
    return Desk(caller, rules, world, Doubts(rules, effects, audit), Approve(approvals, rules, toolbox, audit), log)


# What may happen, happens once.


async def test_a_call_that_is_allowed_is_done_and_recorded(desk: Desk) -> None:
    request = desk.request("world.once", what="a letter")

    assert await desk.output(request) == "did a letter"

    effect = await desk.caller.effects.find(request.step)
    assert effect is not None
    assert (effect.state, effect.tool, json.loads(effect.arguments)) == ("done", "world.once", {"what": "a letter"})
    assert effect.chain == list(AGENT)


async def test_a_step_that_is_tried_again_gets_what_is_on_record(desk: Desk) -> None:
    request = desk.request("world.once", what="a letter")
    first = await desk.call(request)

    assert await desk.call(request) == first

    assert desk.world.done == ["a letter"]


async def test_a_failure_is_on_record_too(desk: Desk) -> None:
    desk.world.ends_badly = ToolError("there is no such street.")
    request = desk.request("world.once")

    for _ in range(2):
        with pytest.raises(RecordedFailure, match=r"world\.once@1\.0\.0: there is no such street\.") as failure:
            await desk.call(request)
        assert failure.value.kind == "ToolError"

    assert desk.world.done == ["it"]


async def test_what_is_denied_does_not_happen(desk: Desk) -> None:
    desk.rules.verdict = "deny"
    request = desk.request("world.safe")

    with pytest.raises(Denied, match=r"world\.safe@1\.0\.0 is not allowed: the test says so\."):
        await desk.call(request)

    assert desk.world.done == []
    assert [(event.kind, event.verdict) for event in desk.log] == [("decided", "deny")]
    assert await desk.caller.effects.find(request.step) is None


async def test_arguments_that_do_not_fit_are_refused_before_anything_is_decided(desk: Desk) -> None:
    with pytest.raises(Rejected, match="`how`: there is no such argument"):
        await desk.call(desk.request("world.safe", how="fast"))

    assert desk.rules.asked == []


async def test_half_a_character_is_refused_before_anything_is_written(desk: Desk) -> None:
    with pytest.raises(Rejected, match=r"an argument has '\\ud800' in it, half of a character"):
        await desk.call(desk.request("world.safe", what="\ud800"))

    assert desk.rules.asked == []


async def test_a_result_that_cannot_be_kept_is_a_failure_that_says_so(desk: Desk) -> None:
    with pytest.raises(RecordedFailure, match="gave 1,200,006 bytes, and 1,000,000 are kept"):
        await desk.call(desk.request("world.safe", what="x" * 1_200_000))
    with pytest.raises(RecordedFailure, match="cannot be kept"):
        await desk.call(desk.request("world.half"))


# Killed in the middle.


@pytest.mark.parametrize("name", ["world.safe", "world.keyed"])
async def test_what_may_be_repeated_is_repeated_with_the_same_key(desk: Desk, name: str) -> None:
    request = desk.request(name, hang=True)
    await desk.killed(request)
    repeated = request.model_copy(update={"arguments": {"hang": False}})  # what was recorded counts, not this

    task = asyncio.create_task(desk.call(repeated))
    desk.world.meanwhile.clear()
    await desk.world.meanwhile.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert desk.world.done == ["it", "it"]
    assert len({call.key for call in desk.world.seen}) == 1


async def test_what_may_happen_once_is_in_doubt_and_is_not_repeated(desk: Desk) -> None:
    request = desk.request("world.once", hang=True)
    await desk.killed(request)

    for _ in range(2):
        result = await desk.call(request)
        assert isinstance(result, ToolInDoubt)
        assert result.known == "the process that called it ended before it could say what became of it."

    assert desk.world.done == ["it"]
    assert desk.log == []  # the doubt is in the audit log by the commit of the effect, not beside it


async def test_a_call_in_doubt_that_was_done_goes_on_with_its_result(desk: Desk) -> None:
    request = desk.request("world.once", hang=True)
    await desk.killed(request)
    await desk.call(request)

    await desk.doubts.resolve(
        ResolveInput(effect=request.step, resolution="done", by="bob", result="found it in the outbox")
    )

    assert await desk.output(request) == "found it in the outbox"
    assert desk.world.done == ["it"]


async def test_a_call_in_doubt_that_was_not_done_fails(desk: Desk) -> None:
    request = desk.request("world.once", hang=True)
    await desk.killed(request)
    await desk.call(request)

    await desk.doubts.resolve(ResolveInput(effect=request.step, resolution="failed", by="bob", comment="not there"))

    with pytest.raises(RecordedFailure, match="user:bob says that it was not done: not there"):
        await desk.call(request)


async def test_a_call_in_doubt_is_done_again_when_somebody_says_so(desk: Desk) -> None:
    request = desk.request("world.once", hang=True)
    await desk.killed(request)
    await desk.call(request)
    await desk.doubts.resolve(ResolveInput(effect=request.step, resolution="again", by="bob"))

    await desk.killed(request)

    assert desk.world.done == ["it", "it"]
    assert isinstance(await desk.call(request), ToolInDoubt)  # once more in doubt, not once more done


async def test_who_may_not_resolve_a_doubt_does_not(desk: Desk) -> None:
    request = desk.request("world.once", hang=True)
    await desk.killed(request)
    await desk.call(request)
    desk.rules.answers = "deny"

    with pytest.raises(Denied, match="agent:writer/a may not resolve"):
        await desk.doubts.resolve(ResolveInput(effect=request.step, resolution="done", by="agent:writer/a"))

    assert isinstance(await desk.call(request), ToolInDoubt)
    assert desk.log[-1].kind == "refused"


async def test_a_call_that_takes_too_long_and_may_happen_once_is_in_doubt(desk: Desk) -> None:
    result = await desk.call(desk.request("world.quick", hang=True))

    assert isinstance(result, ToolInDoubt)
    assert "it took longer than 0.05 s" in result.known


@pytest.mark.parametrize(("name", "end"), [("safe", "failed"), ("keyed", "in-doubt"), ("once", "in-doubt")])
async def test_a_run_that_is_cancelled_leaves_no_call_open(desk: Desk, name: str, end: str) -> None:
    request = desk.request(f"world.{name}", hang=True)
    task = asyncio.create_task(desk.call(request))
    await desk.world.meanwhile.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    effect = await desk.caller.effects.find(request.step)
    assert effect is not None
    assert effect.state == end
    assert "the run was cancelled" in (effect.error or "")


@pytest.mark.parametrize("name", ["safe", "keyed", "once"])
async def test_what_a_tool_itself_calls_in_doubt_is_in_doubt(desk: Desk, name: str) -> None:
    desk.world.ends_badly = InDoubt("its machine was lost.")

    result = await desk.call(desk.request(f"world.{name}"))

    assert isinstance(result, ToolInDoubt)
    assert result.known == "its machine was lost."


async def test_what_is_away_for_a_while_is_tried_again_unless_it_may_happen_once(desk: Desk) -> None:
    desk.world.ends_badly = NotRunning("the post office is closed.")

    with pytest.raises(NotRunning):
        await desk.call(desk.request("world.keyed"))
    assert isinstance(await desk.call(desk.request("world.once")), ToolInDoubt)


async def test_two_attempts_at_once_give_one_outcome(desk: Desk) -> None:
    request = desk.request("world.once")

    results = await asyncio.gather(*(desk.call(request) for _ in range(5)))

    assert desk.world.done == ["it"]
    done = [result for result in results if isinstance(result, ToolDone)]
    assert done
    assert await desk.output(request) == "did it"


# Approval.


async def test_a_call_that_needs_approval_waits_and_then_happens_as_approved(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once", what="a letter")

    waits = await desk.call(request)
    assert isinstance(waits, ToolWaits)
    assert (waits.arguments, waits.reasons) == ({"what": "a letter"}, ("the test says so.",))
    assert desk.world.done == []

    await desk.answer(request)
    assert await desk.output(request) == "did a letter"
    assert desk.world.done == ["a letter"]


async def test_edited_arguments_are_what_is_decided_on_and_done(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once", what="a letter")
    await desk.call(request)

    await desk.answer(request, what="a postcard")

    assert await desk.output(request) == "did a postcard"
    assert desk.rules.asked[-1].arguments == {"what": "a postcard"}


async def test_edited_arguments_that_do_not_fit_are_refused(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once", what="a letter")
    await desk.call(request)

    with pytest.raises(Rejected, match="`why`: there is no such argument"):
        await desk.answer(request, why="because")

    assert isinstance(await desk.call(request), ToolWaits)


async def test_a_call_that_was_rejected_does_not_happen(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once")
    await desk.call(request)

    await desk.answer(request, approved=False)

    with pytest.raises(Denied, match="user:bob rejected"):
        await desk.call(request)
    assert desk.world.done == []


async def test_an_approval_is_for_the_arguments_that_were_shown(desk: Desk, database: Database) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once", what="a letter")
    await desk.call(request)
    await desk.answer(request)
    other = request.model_copy(update={"arguments": {"what": "a bomb"}})

    with pytest.raises(Denied, match="what was approved was another call"):
        await desk.call(other)

    assert desk.world.done == []
    assert desk.log[-1].kind == "refused"


async def test_an_approval_is_for_the_version_that_was_shown(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once")
    await desk.call(request)
    await desk.answer(request)

    with pytest.raises(Denied, match="another tool"):
        await desk.call(request.model_copy(update={"tool": "world.safe"}))

    assert desk.world.done == []


async def test_nobody_answers_who_may_not(desk: Desk) -> None:
    desk.rules.verdict, desk.rules.answers = "approve", "deny"
    request = desk.request("world.once")
    await desk.call(request)

    with pytest.raises(Denied, match="agent:writer/a may not answer"):
        await desk.answer(request, by="agent:writer/a")

    assert desk.rules.asked[-1].asked_by == AGENT
    assert isinstance(await desk.call(request), ToolWaits)


async def test_only_those_who_are_named_answer(desk: Desk) -> None:
    desk.rules.verdict, desk.rules.who = "approve", ("carol",)
    request = desk.request("world.once")
    await desk.call(request)

    with pytest.raises(Denied, match="it is for carol to answer, not for user:bob"):
        await desk.answer(request)
    await desk.answer(request, by="carol")

    assert await desk.output(request) == "did it"


async def test_an_answer_is_given_once(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once")
    await desk.call(request)
    await desk.answer(request)

    await desk.answer(request)  # the same, tried again
    with pytest.raises(Rejected, match="is approved already by user:bob"):
        await desk.answer(request, approved=False, by="carol")


async def test_nobody_waits_for_an_answer_for_ever(desk: Desk) -> None:
    desk.rules.verdict, desk.rules.lasts = "approve", 0.05
    request = desk.request("world.once")
    waits = await desk.call(request)
    assert isinstance(waits, ToolWaits)
    assert waits.seconds_left is not None
    await asyncio.sleep(waits.seconds_left + 0.05)  # it expires by Postgres' clock; there is nothing to wait for

    with pytest.raises(Denied, match="nobody approved"):
        await desk.call(request)
    with pytest.raises(Rejected, match="is expired already"):
        await desk.answer(request)


# How often.


async def test_a_rate_holds_and_says_when_to_come_back(desk: Desk) -> None:
    for _ in range(2):
        await desk.output(desk.request("world.rated"))

    with pytest.raises(Throttled, match=r"world\.rated may be called 2 times in 60 s, and was") as over:
        await desk.call(desk.request("world.rated"))

    assert over.value.retry_after is not None
    assert timedelta(0) < over.value.retry_after <= timedelta(minutes=1)
    assert desk.world.done == ["it", "it"]


async def test_a_rate_holds_against_many_at_once(desk: Desk) -> None:
    results = await asyncio.gather(*(desk.call(desk.request("world.rated")) for _ in range(6)), return_exceptions=True)

    assert len(desk.world.done) == 2
    assert sum(isinstance(result, Throttled) for result in results) == 4


async def test_a_quota_is_for_whoever_it_names(desk: Desk, database: Database) -> None:
    registry = ToolRegistry.of(database)
    await registry.set_quota(desk.tenant, "agent:writer/a", "*", 1, timedelta(minutes=1), "user:ada")
    await desk.output(desk.request("world.safe"))

    with pytest.raises(Throttled, match="tools may be called by agent:writer/a 1 times"):
        await desk.call(desk.request("world.keyed"))

    assert await desk.output(desk.request("world.keyed", ["user:ada", "agent:writer/b"])) == "did it"


async def test_a_step_on_record_is_answered_though_its_rate_is_used_up(desk: Desk) -> None:
    requests = [desk.request("world.rated") for _ in range(2)]
    for request in requests:
        await desk.output(request)

    assert await desk.output(requests[0]) == "did it"
