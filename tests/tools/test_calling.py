"""One call of a tool: what is decided, written down, done and repeated, on a real Postgres."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, cast
from uuid import UUID, uuid4

import asyncpg
import pytest
from resprout.activities.approve import Approve
from resprout.activities.contracts import AnswerInput, ResolveInput, ToolDone, ToolInDoubt, ToolInput, ToolWaits
from resprout.activities.sandbox.backend import InDoubt
from resprout.activities.tools.builtin import ALL
from resprout.activities.tools.builtin.runs import start as start_run
from resprout.activities.tools.calling import (
    Begin,
    Denied,
    Plan,
    RecordedFailure,
    StepTaken,
    Throttled,
    ToolCaller,
    idempotency_key,
)
from resprout.activities.tools.doubts import Doubts
from resprout.activities.tools.manifest import Rate
from resprout.activities.tools.policy import Decision, Question, Verdict
from resprout.activities.tools.secrets import Secrets
from resprout.activities.tools.tool import StartsRuns, Tool, ToolCall, ToolError, tool
from resprout.activities.tools.toolbox import Toolbox
from resprout.actors.errors import NotRunning, Rejected, Unavailable
from resprout.memory.approvals import Approvals
from resprout.memory.audit import Audit, AuditEvent
from resprout.memory.database import Database
from resprout.memory.effects import Effects
from resprout.memory.migrate import migrate
from resprout.memory.tools import ToolRegistry
from resprout.runtime.secrets import SecretsFromEnvironment
from temporalio.exceptions import ApplicationError

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
class Rivals:
    """A tool that two attempts work on at once: the test says when each ends."""

    first_fails: bool = False
    first_began: asyncio.Event = field(default_factory=asyncio.Event)
    first_goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    second_began: asyncio.Event = field(default_factory=asyncio.Event)
    second_goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    def tool(self) -> Tool:
        async def act(call: ToolCall) -> str:
            """Is done by two."""
            if not self.first_began.is_set():
                self.first_began.set()
                await self.first_goes_on.wait()
                return self._ended("first", fails=self.first_fails)
            self.second_began.set()
            if self.first_fails:
                await self.second_goes_on.wait()
            return self._ended("second", fails=not self.first_fails)

        return tool("world.rivals", version="1.0.0", contract="safe-to-retry")(act)

    def _ended(self, which: str, *, fails: bool) -> str:
        if fails:
            raise ToolError(f"the {which} one says no.")
        return f"the {which} one did it"


@dataclass(frozen=True)
class SlowRecord(Effects):
    """Writes down that a call was done only when the test lets it."""

    began: asyncio.Event = field(default_factory=asyncio.Event)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def done(self, key: str, owner: UUID, result: Any, events: Sequence[AuditEvent]) -> bool:
        self.began.set()
        await self.goes_on.wait()
        return await super().done(key, owner, result, events)


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


def audit_of(database: Database) -> Audit:
    async def opened() -> Database:
        return database

    return Audit(opened)


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


@pytest.mark.parametrize(
    "other",
    [
        {"tenant": "other"},
        {"chain": ("user:eve",)},
        {"tool": "world.safe"},
        {"arguments": {"what": "mine"}},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_a_step_of_another_call_gives_nothing_away(desk: Desk, other: dict[str, Any]) -> None:
    request = desk.request("world.once", what="a secret of A")
    await desk.call(request)

    with pytest.raises(StepTaken, match="Give each call a step of its own"):
        await desk.call(request.model_copy(update=other))

    assert desk.log[-1].kind == "refused"


async def test_a_step_of_another_run_gives_nothing_away(desk: Desk) -> None:
    request = desk.request("world.once", what="a secret of A")
    await desk.call(request)

    with pytest.raises(StepTaken, match="names another call already"):
        await desk.caller.call(request, "the run of eve")


async def test_a_failure_is_on_record_too(desk: Desk) -> None:
    desk.world.ends_badly = ToolError("there is no such street.")
    request = desk.request("world.once")

    for _ in range(2):
        with pytest.raises(RecordedFailure, match=r"world\.once@1\.0\.0: there is no such street\.") as failure:
            await desk.call(request)
        assert failure.value.kind == "ToolError"

    assert desk.world.done == ["it"]


@pytest.mark.parametrize(("odd", "kept"), [("\0", r"\\0"), ("\ud800", r"\\ud800")], ids=["null", "half a character"])
@pytest.mark.parametrize("name", ["world.safe", "world.once"])
async def test_a_failure_is_on_record_whatever_characters_it_says(desk: Desk, name: str, odd: str, kept: str) -> None:
    desk.world.ends_badly = ToolError(f"the server says: a{odd}b")
    request = desk.request(name)

    for _ in range(2):
        with pytest.raises(RecordedFailure, match=f"the server says: a{kept}b"):
            await desk.call(request)

    assert desk.world.done == ["it"]


@pytest.mark.parametrize("odd", ["\0", "\ud800"], ids=["null", "half a character"])
async def test_a_doubt_is_on_record_whatever_characters_it_says(desk: Desk, odd: str) -> None:
    desk.world.ends_badly = InDoubt(f"the machine says: a{odd}b")

    assert isinstance(await desk.call(desk.request("world.once")), ToolInDoubt)


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


@pytest.mark.parametrize("given", ["x" * 1_200_000, "\ud800"], ids=["too large", "half a character"])
async def test_what_was_done_is_not_recorded_as_failed_since_its_result_cannot_be_kept(desk: Desk, given: str) -> None:
    async def act(call: ToolCall) -> str:
        """Does it, and says too much."""
        desk.world.done.append("sent")
        return given

    desk.caller.toolbox.add(tool("world.loud", version="1.0.0", contract="at-most-once")(act))

    result = await desk.call(desk.request("world.loud"))

    assert isinstance(result, ToolInDoubt)
    assert "it was done, but" in result.known
    assert desk.world.done == ["sent"]


# Killed in the middle.


@pytest.mark.parametrize("name", ["world.safe", "world.keyed"])
async def test_what_may_be_repeated_is_repeated_with_the_same_key(desk: Desk, name: str) -> None:
    request = desk.request(name, hang=True)
    await desk.killed(request)

    task = asyncio.create_task(desk.call(request))
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


async def test_a_call_whose_tool_is_gone_since_is_in_doubt_all_the_same(desk: Desk) -> None:
    request = desk.request("world.once", hang=True)
    await desk.killed(request)
    others = [one for one in desk.world.tools() if one.name != "world.once"]

    result = await replace(desk.caller, toolbox=Toolbox(others)).call(request, "run-1")

    assert isinstance(result, ToolInDoubt)
    assert result.tool == "world.once@1.0.0"


@pytest.mark.parametrize(("name", "end"), [("keyed", "in-doubt"), ("safe", "failed")])
async def test_a_call_whose_tool_is_gone_does_not_stay_begun_for_ever(desk: Desk, name: str, end: str) -> None:
    request = desk.request(f"world.{name}", hang=True)
    await desk.killed(request)
    desk.caller.toolbox.leave_out(f"world.{name}", "1.0.0")

    with suppress(RecordedFailure):
        await desk.call(request)

    effect = await desk.caller.effects.find(request.step)
    assert effect is not None
    assert (effect.state, f"there is no tool 'world.{name}'" in (effect.error or "")) == (end, True)
    assert len(desk.world.done) == 1


async def test_a_call_that_is_to_be_done_again_by_a_tool_that_is_gone_fails(desk: Desk) -> None:
    request = desk.request("world.once", hang=True)
    await desk.killed(request)
    await desk.call(request)
    await desk.doubts.resolve(ResolveInput(effect=request.step, resolution="again", by="ada"))
    desk.caller.toolbox.leave_out("world.once", "1.0.0")

    with pytest.raises(RecordedFailure, match="user:ada would have it done again, but there is no tool"):
        await desk.call(request)

    effect = await desk.caller.effects.find(request.step)
    assert effect is not None
    assert effect.state == "failed"


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


@pytest.mark.parametrize("said", ["done", "failed", "again"])
async def test_what_became_of_a_call_is_said_once(desk: Desk, said: Literal["done", "failed", "again"]) -> None:
    request = desk.request("world.once", hang=True)
    every: tuple[Literal["done", "failed", "again"], ...] = ("done", "failed", "again")
    words = {word: ResolveInput(effect=request.step, resolution=word, by="bob") for word in every}
    await desk.killed(request)
    await desk.call(request)
    await desk.doubts.resolve(words[said])

    await desk.doubts.resolve(words.pop(said))  # the same, tried again
    for other in words.values():
        with pytest.raises(Rejected, match="is not in doubt"):
            await desk.doubts.resolve(other)


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


async def test_what_happened_is_on_record_though_the_run_is_cancelled_meanwhile(desk: Desk) -> None:
    recording = SlowRecord(desk.caller.effects.open)
    request = desk.request("world.once")
    task = asyncio.create_task(replace(desk.caller, effects=recording).call(request, "run-1"))
    await recording.began.wait()

    task.cancel()
    recording.goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await desk.output(request) == "did it"
    assert desk.world.done == ["it"]


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


async def test_an_attempt_that_ends_late_gives_what_is_on_record(desk: Desk) -> None:
    rivals = Rivals()
    desk.caller.toolbox.add(rivals.tool())
    request = desk.request("world.rivals")
    first = asyncio.create_task(desk.call(request))
    await rivals.first_began.wait()
    with pytest.raises(RecordedFailure, match="the second one says no"):
        await desk.call(request)

    rivals.first_goes_on.set()

    with pytest.raises(RecordedFailure, match="the second one says no"):
        await first
    assert [event.kind for event in desk.log] == ["late"]


async def test_the_failure_of_an_attempt_says_nothing_of_the_one_that_took_over(desk: Desk) -> None:
    rivals = Rivals(first_fails=True)
    desk.caller.toolbox.add(rivals.tool())
    request = desk.request("world.rivals")
    first = asyncio.create_task(desk.call(request))
    await rivals.first_began.wait()
    second = asyncio.create_task(desk.call(request))
    await rivals.second_began.wait()

    rivals.first_goes_on.set()
    with pytest.raises(Unavailable, match="another worker has taken over"):
        await first
    rivals.second_goes_on.set()

    assert await second == ToolDone(tool="world.rivals@1.0.0", output="the second one did it")


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


@pytest.mark.parametrize(
    ("shown", "problem"),
    [
        (OSError("no such\0disk"), r"what would change cannot be shown: OSError: no such\0disk"),
        (ToolError("half\ud800"), r"half\ud800"),
        (object(), "what would change cannot be shown: TypeError: Object of type object is not JSON serializable"),
    ],
    ids=["a defect", "an odd answer", "no JSON"],
)
async def test_people_are_asked_though_the_preview_fails(desk: Desk, shown: object, problem: str) -> None:
    async def act(call: ToolCall) -> str:
        """Does something."""
        return "done"

    async def preview(call: ToolCall, arguments: Any) -> Any:
        if isinstance(shown, Exception):
            raise shown
        return shown

    desk.caller.toolbox.add(tool("world.shown", version="1.0.0", preview=preview)(act))
    desk.rules.verdict = "approve"
    request = desk.request("world.shown")

    assert isinstance(await desk.call(request), ToolWaits)

    approval = await desk.approve.approvals.find(request.step)
    assert approval is not None
    assert json.loads(approval.shown or "null") == {"problem": problem}


async def test_edited_arguments_are_what_is_decided_on_and_done(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once", what="a letter")
    await desk.call(request)

    await desk.answer(request, what="a postcard")

    assert await desk.output(request) == "did a postcard"
    assert await desk.output(request) == "did a postcard"  # from the record, though a letter was asked for
    assert desk.rules.asked[-1].arguments == {"what": "a postcard"}


async def test_edited_arguments_that_do_not_fit_are_refused(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once", what="a letter")
    await desk.call(request)

    with pytest.raises(Rejected, match="`why`: there is no such argument"):
        await desk.answer(request, why="because")

    assert isinstance(await desk.call(request), ToolWaits)


async def test_arguments_are_edited_on_a_worker_that_has_not_seen_the_tool_yet(desk: Desk) -> None:
    async def act(call: ToolCall, what: str = "it") -> str:
        """Does something far away."""
        return f"did {what}"

    async def look(reference: str) -> None:
        fresh.add(imported)

    imported = tool("far.do", version="1.0.0")(act)
    fresh = Toolbox(desk.world.tools())
    desk.caller.toolbox.add(imported)
    desk.rules.verdict = "approve"
    request = desk.request("far.do")
    await desk.call(request)

    there = Approve(desk.approve.approvals, desk.rules, fresh, desk.approve.audit, look)
    await replace(desk, approve=there).answer(request, what="a postcard")

    assert await desk.output(request) == "did a postcard"


async def test_a_call_that_was_rejected_does_not_happen(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once")
    await desk.call(request)

    await desk.answer(request, approved=False)

    with pytest.raises(Denied, match="user:bob rejected"):
        await desk.call(request)
    assert desk.world.done == []


async def test_a_call_that_was_rejected_does_not_happen_by_a_later_grant_either(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once")
    await desk.call(request)
    await desk.answer(request, approved=False)

    desk.rules.verdict = "allow"

    with pytest.raises(Denied, match="user:bob rejected"):
        await desk.call(request)
    assert desk.world.done == []


async def test_an_approval_is_for_the_arguments_that_were_shown(desk: Desk, database: Database) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once", what="a letter")
    await desk.call(request)
    await desk.answer(request)
    other = request.model_copy(update={"arguments": {"what": "a bomb"}})

    with pytest.raises(StepTaken, match="names another call already"):
        await desk.call(other)

    assert desk.world.done == []
    assert desk.log[-1].kind == "refused"


async def test_an_approval_is_for_the_version_that_was_shown(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once")
    await desk.call(request)
    await desk.answer(request)

    with pytest.raises(StepTaken, match="names another call already"):
        await desk.call(request.model_copy(update={"tool": "world.safe"}))

    assert desk.world.done == []


async def test_an_approval_holds_though_a_newer_version_has_come(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once")
    await desk.caller.call(request, run := uuid4().hex)

    async def act(call: ToolCall, what: str = "it", hang: bool = False) -> str:
        """Does something else."""
        return "something else"

    desk.caller.toolbox.add(tool("world.once", version="2.0.0", contract="at-most-once")(act))
    await desk.answer(request)
    result = await desk.caller.call(request, run)

    assert result == ToolDone(tool="world.once@1.0.0", output="did it")
    question = [asked for asked in desk.rules.asked if asked.action == "tool.call"][-1]
    assert (question.version, question.newest) == ("1.0.0", "1.0.0")


async def test_another_tenant_s_run_of_the_same_name_keeps_no_version_for_this_one(desk: Desk) -> None:
    await desk.call(desk.request("world.safe"))

    assert await desk.caller.effects.has_called(desk.tenant, "run-1", "world.safe", "1.0.0")
    assert not await desk.caller.effects.has_called(uuid4().hex, "run-1", "world.safe", "1.0.0")


async def test_nobody_answers_who_may_not(desk: Desk) -> None:
    desk.rules.verdict, desk.rules.answers = "approve", "deny"
    request = desk.request("world.once")
    await desk.call(request)

    with pytest.raises(Denied, match="agent:writer/a may not answer"):
        await desk.answer(request, by="agent:writer/a")

    assert desk.rules.asked[-1].asked_by == AGENT
    assert isinstance(await desk.call(request), ToolWaits)


@pytest.mark.parametrize("by", ["user:", "", "nobody:else", "a" * 300, "ada\nroot", "ad\0a"])
async def test_an_answer_of_nobody_is_refused_for_good(desk: Desk, by: str) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once")
    await desk.call(request)

    with pytest.raises(ApplicationError) as refused:
        await desk.approve.answer(AnswerInput(approval=request.step, approved=True, by=by))

    assert refused.value.non_retryable
    assert isinstance(await desk.call(request), ToolWaits)


async def test_a_word_of_nobody_on_a_doubt_is_refused(desk: Desk) -> None:
    request = desk.request("world.once", hang=True)
    await desk.killed(request)
    await desk.call(request)

    with pytest.raises(Rejected, match="is nobody who could answer"):
        await desk.doubts.resolve(ResolveInput(effect=request.step, resolution="done", by="user:"))


@pytest.mark.parametrize("chain", [(), ("ada",), ("user:" + "a" * 300,)], ids=["nobody", "no kind", "too long"])
async def test_a_chain_that_policy_cannot_be_asked_about_is_refused_for_good(
    desk: Desk, chain: tuple[str, ...]
) -> None:
    with pytest.raises(Rejected, match="policy cannot be asked about `chain"):
        await desk.call(desk.request("world.safe", chain))


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
    assert [(event.kind, event.verdict) for event in desk.log] == [("expired", "deny")]
    with pytest.raises(Rejected, match="is expired already"):
        await desk.answer(request)


# Secrets.


async def test_what_a_run_is_started_with_keeps_its_secrets_by_reference(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPROUT_SECRET_API_KEY", "CANARY-123456789")
    started: list[Any] = []

    class StartedRuns:
        async def start(self, flow: dict[str, Any], inputs: dict[str, Any]) -> str:
            started.append(inputs)
            return "child"

    def uses(plan: Plan, began: Begin) -> ToolCall:
        return replace(desk.caller.uses(plan, began), runs=cast(StartsRuns, StartedRuns()))

    caller = replace(desk.caller, toolbox=Toolbox([start_run]), uses=uses)
    request = desk.request("run.start", flow={"flow": {"name": "child"}}, inputs={"token": "secret://api-key"})
    await caller.call(request, "run-1")

    assert started == [{"token": "secret://api-key"}]
    assert [str(need) for need in desk.rules.asked[-1].permissions] == ["runs.start:child", "secrets.use:api-key"]


def test_whatever_hands_arguments_on_to_runs_and_agents_keeps_references() -> None:
    keeping = {one.name for one in ALL if one.keeps_references}

    assert keeping == {"run.start", "agent.ask", "agent.tell"}


# What is left in the audit log.


async def rows_of(desk: Desk, request: ToolInput) -> list[tuple[str, str]]:
    rows = await Audit(desk.caller.effects.open).search(tenant=desk.tenant)
    return [(row.kind, " ".join(row.reasons)) for row in reversed(rows) if row.step == request.step]


@pytest.mark.parametrize("name", ["world.safe", "world.keyed"])
async def test_a_call_that_is_begun_again_leaves_a_row(desk: Desk, name: str) -> None:
    request = desk.request(name, hang=True)
    await desk.killed(request)

    await desk.killed(request)

    kind, why = (await rows_of(desk, request))[-1]
    assert kind == "repeated"
    assert why.endswith("ended before it could say what became of it: attempt 2.")


async def test_a_call_that_somebody_has_done_again_leaves_a_row(desk: Desk) -> None:
    request = desk.request("world.once", hang=True)
    await desk.killed(request)
    await desk.call(request)
    await desk.doubts.resolve(ResolveInput(effect=request.step, resolution="again", by="bob"))

    await desk.killed(request)

    rows = await rows_of(desk, request)
    assert [kind for kind, _ in rows] == ["decided", "in-doubt", "resolved", "repeated"]
    assert rows[-1][1] == "user:bob has it done again: attempt 2."


async def test_a_question_that_nobody_waits_for_any_more_leaves_a_row(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.safe")
    await desk.call(request)

    desk.rules.verdict = "allow"
    await desk.output(request)

    assert ("withdrawn", "it was granted meanwhile.") in await rows_of(desk, request)


# How often.


async def test_a_rate_holds_and_says_when_to_come_back(desk: Desk) -> None:
    for _ in range(2):
        await desk.output(desk.request("world.rated"))

    with pytest.raises(Throttled, match=r"world\.rated may be called 2 times in 60 s, and was") as over:
        await desk.call(desk.request("world.rated"))

    assert [(event.kind, event.verdict) for event in desk.log] == [("throttled", "deny")]
    assert over.value.retry_after is not None
    assert timedelta(0) < over.value.retry_after <= timedelta(minutes=1)
    assert desk.world.done == ["it", "it"]


async def test_a_call_that_is_throttled_again_and_again_leaves_one_row(desk: Desk, database: Database) -> None:
    log = audit_of(database)
    desk = replace(desk, caller=replace(desk.caller, audit=log.append))
    for _ in range(2):
        await desk.call(desk.request("world.rated"))
    request = desk.request("world.rated")

    for _ in range(3):
        with pytest.raises(Throttled):
            await desk.call(request)
    desk.rules.verdict = "deny"
    with pytest.raises(Denied):
        await desk.call(request)

    rows = await log.search(tenant=desk.tenant, text=request.step)
    assert [row.kind for row in reversed(rows)] == ["throttled", "decided"]


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


async def test_a_quota_counts_what_others_do_on_behalf_of_whom_it_names(desk: Desk, database: Database) -> None:
    await ToolRegistry.of(database).set_quota(
        desk.tenant, "agent:writer/a", "world.safe", 1, timedelta(minutes=1), "user:ada"
    )
    await desk.output(desk.request("world.safe", (*AGENT, "run:child")))

    with pytest.raises(Throttled, match="by agent:writer/a 1 times"):
        await desk.call(desk.request("world.safe", (*AGENT, "run:another")))
    with pytest.raises(Throttled, match="by agent:writer/a 1 times"):
        await desk.call(desk.request("world.safe"))


async def test_a_step_on_record_is_answered_though_its_rate_is_used_up(desk: Desk) -> None:
    requests = [desk.request("world.rated") for _ in range(2)]
    for request in requests:
        await desk.output(request)

    assert await desk.output(requests[0]) == "did it"
