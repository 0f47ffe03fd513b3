"""One call of a tool, from the question whether it may happen to the record of what it gave.

The order, and why: the arguments are read (nothing is decided about what cannot be), policy is asked, the decision and
the intent are written down by one commit, then it happens, then the outcome is written. So there is no effect without
a decision, and whoever tries the step again finds how far it came:

- an outcome is on record: it is given, nothing happens again;
- an intent without an outcome, from an attempt that is gone: the tool's contract says what that means. What may be
  repeated is repeated, with the same key; what may happen at most once is in doubt, and a person is asked.

What was decided is not decided again for a call that has begun: a grant that is taken back later stops the next call,
not the second half of this one.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4, uuid5

from pydantic import BaseModel

from ...actors.errors import Broken, OutcomeUnknown, Rejected, ResproutError, Unavailable, storable
from ...actors.logger import get_logger
from ...memory.approvals import Approval, Approvals, Asked
from ...memory.audit import AuditEvent
from ...memory.effects import Begun, Effect, Effects, Intent, Known, Limit, NoApproval, Over
from ..contracts import ToolDone, ToolInDoubt, ToolInput, ToolWaits
from ..sandbox.backend import InDoubt
from .digest import digest_of
from .gone import end_without_tool
from .policy import Decides, Decision, Question, question_of
from .secrets import Revealed, Secrets, references_in
from .tool import BadArguments, Tool, ToolCall, ToolError
from .toolbox import Toolbox, UnknownTool

log = get_logger("resprout.tools")

KEYS = UUID("6e0f0f8e-1f0c-4f5e-9b55-8f4f0a4c2d10")
PREVIEW_SECONDS = 10
Said = TypeVar("Said")

LARGEST_RESULT = 1_000_000  # bytes of JSON
DEFAULT_EXPIRY = timedelta(days=7).total_seconds()


class Denied(Rejected):
    """Policy does not allow it, or somebody who was asked said no."""


class StepTaken(Rejected):
    """The step that is to name this call names another one."""


class Throttled(Unavailable):
    """It was called as often as it may be for now."""


@dataclass(frozen=True)
class Plan:
    """A call that was read and understood."""

    request: ToolInput
    run: str
    tool: Tool
    arguments: dict[str, Any]
    parsed: BaseModel
    question: Question

    @property
    def key(self) -> str:
        return self.request.step

    @property
    def digest(self) -> str:
        return digest_of(self.tool.name, self.tool.manifest.version, self.arguments)

    def event(self, kind: str, **more: Any) -> AuditEvent:
        return AuditEvent(
            kind=kind,
            tenant=self.request.tenant,
            chain=self.request.chain,
            run=self.run,
            step=self.key,
            tool=self.tool.name,
            version=self.tool.manifest.version,
            arguments=self.arguments,
            **more,
        )


@dataclass(frozen=True)
class Begin:
    """What is the same for each attempt at a call, until a person has it done again."""

    at: datetime  # when it was first intended
    agains: int = 0


@dataclass(frozen=True)
class ToolCaller:
    toolbox: Toolbox
    policy: Decides
    effects: Effects
    approvals: Approvals
    audit: Callable[[Sequence[AuditEvent]], Awaitable[None]]
    secrets: Secrets
    uses: Callable[["Plan", "Begin"], ToolCall]  # what a call may use
    look: Callable[[str], Awaitable[None]] | None = None  # for tools that came since, before this one is found
    is_leaving: Callable[[], bool] = lambda: False  # this process ends, and another goes on with what it had
    owner: UUID = field(default_factory=uuid4)

    async def call(self, request: ToolInput, run: str) -> ToolDone | ToolWaits | ToolInDoubt:
        """Raises one of errors.py: Rejected and Broken for good, Unavailable when it may be tried again."""
        known = await self.effects.find(request.step)
        approval = None
        if known is None or not _is_of(known, request, run):  # else it was approved with other arguments, or taken
            approval = await self.approvals.find(request.step)
            await self._refuse_taken(approval or known, request, run)
        if known is not None and known.state in ("done", "failed", "in-doubt"):
            return _recorded(known)
        attempt = replace(self, owner=uuid4())
        if self.look is not None:
            await self.look(request.tool)
        if known is not None:
            return await attempt._found(known, request, run)
        plan = await self._plan(request, run, approval)
        return await attempt._decide(plan, approval)

    async def _refuse_taken(self, seen: Effect | Approval | None, request: ToolInput, run: str) -> None:
        """A step is named by whoever calls: a second call by it neither sees nor gets what the first one did."""
        if seen is None or _is_of(seen, request, run):
            return
        said = (
            f"the step {request.step} names another call already: one of another run, tenant, chain or tool, or with "
            "other arguments. Give each call a step of its own."
        )
        await self.audit([_taken(request, run, said)])
        raise StepTaken(said)

    async def _plan(self, request: ToolInput, run: str, approval: Approval | None) -> Plan:
        reference, arguments = request.tool, request.arguments
        if approval is not None:  # what was asked about is what is called, whatever came since
            if request.tool == approval.tool:
                reference = f"{approval.tool}@{approval.version}"
            if approval.edited is not None:
                arguments = json.loads(approval.edited)
        found = self.toolbox.find(reference)
        asked = approval is not None and found.manifest.version == approval.version
        newest = found.manifest.version if asked else await self._newest(found, request.tenant, run)
        return plan_of(found, arguments, request, run, newest=newest)

    async def _newest(self, found: Tool, tenant: str, run: str) -> str:
        """The newest version, as policy is to see it: a run keeps the one that it has called before, or asked about."""
        version, newest = found.manifest.version, self.toolbox.find(found.name).manifest.version
        if version != newest and await self.effects.has_called(tenant, run, found.name, version):
            return version
        return newest

    # May it happen?

    async def _decide(self, plan: Plan, approval: Approval | None) -> ToolDone | ToolWaits | ToolInDoubt:
        if approval is not None and approval.state == "rejected":  # whatever was granted since
            said = f": {approval.comment}" if approval.comment else "."
            raise Denied(f"{approval.answered_by} rejected {plan.tool.manifest.reference}{said}")
        decision = await self.policy.decide(plan.question)
        if decision.verdict == "deny":
            await self.audit([_decided(plan, decision)])
            raise Denied(f"{plan.tool.manifest.reference} is not allowed: {' '.join(decision.reasons)}")
        if decision.verdict == "allow":
            if approval is not None:  # something was granted meanwhile
                await self.approvals.withdraw([approval.id], "it was granted meanwhile.")
            return await self._begin(plan, decision, None)
        if approval is None:
            approval = await self._ask(plan, decision)
            await self._refuse_taken(approval, plan.request, plan.run)
        match approval.state:
            case "pending":
                return _waits(plan, approval)
            case "approved":
                if approval.digest != plan.digest:
                    await self.audit([plan.event("refused", verdict="deny", reasons=(OTHER_CALL,))])
                    raise Denied(f"{plan.tool.manifest.reference} is not allowed: {OTHER_CALL}")
                return await self._begin(plan, decision, approval.id)
            case ended:  # expired or withdrawn
                said = f"nobody approved {plan.tool.manifest.reference} in time. Ask again."
                await self.audit([plan.event(ended, verdict="deny", reasons=(said,), approval=approval.id)])
                raise Denied(said)

    async def _ask(self, plan: Plan, decision: Decision) -> Approval:
        seconds = decision.expires_seconds or DEFAULT_EXPIRY
        asked = Asked(
            id=plan.key,
            kind="tool",
            tenant=plan.request.tenant,
            run=plan.run,
            task=plan.request.task,
            title=plan.tool.manifest.reference,
            chain=plan.request.chain,
            who=decision.who,
            tool=plan.tool.name,
            version=plan.tool.manifest.version,
            arguments=plan.arguments,
            digest=plan.digest,
            shown=await self._preview(plan),
            reasons=decision.reasons,
            lasts=timedelta(seconds=seconds),
        )
        return await self.approvals.ask(asked, [_decided(plan, decision)])

    async def _preview(self, plan: Plan) -> Any:
        """What it would change, for who decides. That there is none to be had keeps nobody from asking."""
        if plan.tool.preview is None:
            return None
        try:
            async with asyncio.timeout(PREVIEW_SECONDS):
                shown = await plan.tool.preview(self.uses(plan, Begin(datetime.now(UTC))), plan.parsed)
            json.dumps(shown, ensure_ascii=False).encode()  # who is asked must be able to read it
            return shown
        except TimeoutError:
            return {"problem": "it took too long to see what would change."}
        except ResproutError as error:
            return {"problem": storable(str(error))}
        except Exception as error:  # noqa: BLE001 - a preview's defect is for who decides to know, and no answer
            said = storable(f"{type(error).__name__}: {error}")
            log.error("a preview failed", tool=plan.tool.manifest.reference, error=said)
            return {"problem": f"what would change cannot be shown: {said}"}

    # It may.

    async def _begin(self, plan: Plan, decision: Decision, approval: str | None) -> ToolDone | ToolInDoubt:
        rate = plan.tool.manifest.rate
        limits = [Limit(plan.tool.name, "*", rate.calls, rate.per)] if rate is not None else []
        begun = await self.effects.intend(self._intent(plan), [_decided(plan, decision, approval)], limits, approval)
        match begun:
            case Begun(at):
                return await self._do(plan, Begin(at))
            case Known(effect):
                if approval is None:  # else the question was the same, and who else asked it began
                    await self._refuse_taken(effect, plan.request, plan.run)
                return await self._found(effect, plan.request, plan.run)
            case NoApproval():
                await self.audit([plan.event("refused", verdict="deny", reasons=(USED,))])
                raise Denied(f"{plan.tool.manifest.reference} is not allowed: {USED}")
            case Over(limit, frees_in):
                per = limit.per.total_seconds()
                whose = "" if limit.principal == "*" else f" by {limit.principal}"
                what = limit.tool if limit.tool != "*" else "tools"
                said = f"{what} may be called{whose} {limit.calls} times in {per:g} s"
                await self.audit([plan.event("throttled", verdict="deny", reasons=(f"{said}.",), is_news=True)])
                raise Throttled(f"{said}, and was. Try again in {frees_in.total_seconds():.1f} s.", frees_in)

    def _intent(self, plan: Plan) -> Intent:
        return Intent(
            key=plan.key,
            tenant=plan.request.tenant,
            run=plan.run,
            step=plan.request.task,
            tool=plan.tool.name,
            version=plan.tool.manifest.version,
            source=plan.tool.source,
            contract=plan.tool.manifest.contract,
            chain=plan.request.chain,
            arguments=plan.arguments,
            digest=plan.digest,
            owner=self.owner,
        )

    # It began before.

    async def _found(self, effect: Effect, request: ToolInput, run: str) -> ToolDone | ToolInDoubt:
        """As it was decided then: this version, with these arguments. The contract is that of the record, and a doubt
        needs no tool: it may have changed since, or be gone."""
        if effect.state in ("done", "failed", "in-doubt"):
            return _recorded(effect)
        if effect.state == "intended" and effect.contract == "at-most-once":
            await self.effects.doubt(effect.key, effect.owner, ENDED, [_left(effect)])
            return await self._on_record(effect.key)
        try:
            tool = self.toolbox.find(f"{effect.tool}@{effect.version}")
        except UnknownTool as error:
            await end_without_tool(self.effects, effect, self.owner, str(error))
            return await self._on_record(effect.key)
        plan = plan_of(tool, json.loads(effect.arguments), request, run, newest=effect.version)
        if await self.effects.take_over(effect, self.owner, [_repeated(effect, plan)]):
            return await self._do(plan, Begin(effect.intended_at, effect.agains))
        return await self._on_record(effect.key)

    # It happens.

    async def _do(self, plan: Plan, began: Begin) -> ToolDone | ToolInDoubt:
        try:
            revealed = self._revealed(plan)
        except Rejected as error:
            return await self._ended_badly(plan, type(error).__name__, str(error), is_answer=True)
        try:
            async with asyncio.timeout(plan.tool.manifest.timeout.total_seconds()):
                output = revealed.hidden(
                    await plan.tool.run(self.uses(plan, began), plan.tool.parse(revealed.arguments))
                )
        except asyncio.CancelledError:
            if not self.is_leaving():  # else the next worker goes on
                await _to_the_end(self._write_bad_end(plan, "Cancelled", "the run was cancelled.", is_answer=False))
            raise
        except Exception as error:  # noqa: BLE001 - a tool's defect is this call's failure, not the worker's
            return await self._failed(plan, error, revealed.hidden(str(error)))
        return await self._ended_well(plan, output)

    async def _failed(self, plan: Plan, error: Exception, said: str) -> ToolDone | ToolInDoubt:
        kind, manifest = type(error).__name__, plan.tool.manifest
        match error:
            case TimeoutError():
                said = f"it took longer than {manifest.timeout.total_seconds():g} s."
                return await self._ended_badly(plan, "Timeout", said, is_answer=False)
            case InDoubt():
                await _to_the_end(self._doubt(plan, said))
                return await self._on_record(plan.key)
            case ToolError() | Rejected():
                return await self._ended_badly(plan, kind, said, is_answer=True)
            case Unavailable() | OutcomeUnknown():
                if manifest.contract != "at-most-once":
                    raise error  # the step is tried again
                return await self._ended_badly(plan, kind, said, is_answer=False)
            case _:
                log.error("a tool failed", tool=manifest.reference, error=f"{kind}: {said}")
                return await self._ended_badly(plan, "ToolFailed", f"{kind}: {said}", is_answer=False)

    async def _ended_well(self, plan: Plan, output: Any) -> ToolDone | ToolInDoubt:
        if unkept := _unkept(output):  # it was done all the same, so that this is no answer of the tool
            return await self._ended_badly(plan, *unkept, is_answer=False)
        if await _to_the_end(self._write_good_end(plan, output)):
            return ToolDone(tool=plan.tool.manifest.reference, output=output)
        return await self._on_record(plan.key)

    def _revealed(self, plan: Plan) -> Revealed:
        """What is handed on to others keeps its references: the tool that uses the value at last gets it, and a run's
        history or an agent's mailbox never has it."""
        return Revealed(plan.arguments, {}) if plan.tool.keeps_references else self.secrets.revealed(plan.arguments)

    async def _write_good_end(self, plan: Plan, output: Any) -> bool:
        """False: another attempt has said how it ended. So two have done it, and that is to be known."""
        if await self.effects.done(plan.key, self.owner, output, [plan.event("done")]):
            return True
        await self.audit([plan.event("late", reasons=("it was done.",))])
        return False

    async def _ended_badly(self, plan: Plan, kind: str, said: str, *, is_answer: bool) -> ToolDone | ToolInDoubt:
        await _to_the_end(self._write_bad_end(plan, kind, said, is_answer=is_answer))
        return await self._on_record(plan.key)

    async def _on_record(self, key: str) -> ToolDone | ToolInDoubt:
        """Which may be the word of another attempt, or not be said yet."""
        latest = await self.effects.find(key)
        if latest is None or latest.state in ("intended", "again"):
            raise Unavailable(f"another worker has taken over the call {key}. It is asked for again.")
        return _recorded(latest)

    async def _write_bad_end(self, plan: Plan, kind: str, said: str, *, is_answer: bool) -> None:
        """`is_answer`: the tool says that it did not do it. Else who knows: a flow that tries again does so by another
        key, so that what has a key is in doubt as well."""
        said = storable(said)
        if plan.tool.manifest.contract != "safe-to-retry" and not is_answer:
            first = await self._doubt(plan, f"it ended by {kind}: {said}")
        else:
            event = plan.event("failed", reasons=(said,))
            first = await self.effects.failed(plan.key, self.owner, kind, said, [event])
        if not first:
            await self.audit([plan.event("late", reasons=(said,))])

    async def _doubt(self, plan: Plan, known: str) -> bool:
        known = storable(known)
        return await self.effects.doubt(plan.key, self.owner, known, [plan.event("in-doubt", reasons=(known,))])


OTHER_CALL = "what was approved was another call: another tool, version or other arguments."
ENDED = "the process that called it ended before it could say what became of it."
USED = "its approval was used before, or taken back; ask again."


async def _to_the_end(recording: Coroutine[Any, Any, Said]) -> Said:
    """What happened is on record before a cancelled caller goes: between the two nobody would know of it."""
    task = asyncio.create_task(recording)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def plan_of(tool: Tool, arguments: dict[str, Any], request: ToolInput, run: str, *, newest: str) -> Plan:
    _refuse_half_characters(tool, arguments)
    parsed = tool.parse(arguments)
    question = question_of(
        chain=request.chain,
        tenant=request.tenant,
        run=run,
        action="tool.call",
        tool=tool.name,
        version=tool.manifest.version,
        newest=newest,
        source=tool.source,
        danger=tool.manifest.danger,
        permissions=(*tool.needs(parsed), *references_in(arguments)),
        arguments=arguments,
    )
    return Plan(request, run, tool, arguments, parsed, question)


def _refuse_half_characters(tool: Tool, arguments: dict[str, Any]) -> None:
    """Neither Postgres nor Temporal carries them."""
    try:
        json.dumps(arguments, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise BadArguments(
            f"{tool.manifest.reference}: an argument has {half!a} in it, half of a character: leave it out."
        ) from None


def _unkept(output: Any) -> tuple[str, str] | None:
    """Why it cannot be kept: as the kind of a failure, and in words."""
    try:
        size = len(json.dumps(output, ensure_ascii=False).encode())
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        said = f"it was done, but what it gave has {half!a} in it, half of a character, and cannot be kept."
        return "ToolFailed", said
    if size > LARGEST_RESULT:
        said = f"it was done, but gave {size:,} bytes, and {LARGEST_RESULT:,} are kept: let it write into its "
        return "TooLarge", said + "workspace, or ask for less."
    return None


def _is_of(seen: Effect | Approval, request: ToolInput, run: str) -> bool:
    """Whether this is the call, as it was asked for, that is on record. The version is settled by the record."""
    name = request.tool.partition("@")[0]
    whose = (seen.tenant, seen.run, list(seen.chain), seen.tool)
    if whose != (request.tenant, run, list(request.chain), name):
        return False
    return digest_of(name, "", json.loads(seen.arguments or "null")) == digest_of(name, "", request.arguments)


def _repeated(effect: Effect, plan: Plan) -> AuditEvent:
    why = f"{effect.resolved_by} has it done again" if effect.state == "again" else ENDED.removesuffix(".")
    return plan.event("repeated", reasons=(f"{why}: attempt {effect.attempts + 1}.",))


def _left(effect: Effect) -> AuditEvent:
    """A call that its process left without a word."""
    return AuditEvent(
        kind="in-doubt",
        tenant=effect.tenant,
        chain=effect.chain,
        run=effect.run,
        step=effect.key,
        tool=effect.tool,
        version=effect.version,
        arguments=json.loads(effect.arguments),
        reasons=(ENDED,),
    )


def _taken(request: ToolInput, run: str, said: str) -> AuditEvent:
    return AuditEvent(
        kind="refused",
        tenant=request.tenant,
        chain=request.chain,
        run=run,
        step=request.step,
        tool=request.tool,
        arguments=request.arguments,
        verdict="deny",
        reasons=(said,),
    )


def idempotency_key(step: str) -> str:
    return str(uuid5(KEYS, step))


def _decided(plan: Plan, decision: Decision, approval: str | None = None) -> AuditEvent:
    return plan.event(
        "decided",
        verdict=decision.verdict,
        reasons=decision.reasons,
        policy=decision.policy,
        approval=approval,
        grounds=decision.grounds,
    )


def _waits(plan: Plan, approval: Approval) -> ToolWaits:
    left = (approval.expires_at - approval.seen_at).total_seconds() if approval.expires_at is not None else None
    return ToolWaits(
        tool=plan.tool.manifest.reference,
        approval=approval.id,
        arguments=plan.arguments,
        reasons=tuple(approval.reasons),
        who=tuple(approval.who),
        seconds_left=left,
    )


def _recorded(effect: Effect) -> ToolDone | ToolInDoubt:
    reference = f"{effect.tool}@{effect.version}"
    match effect.state:
        case "done":
            return ToolDone(tool=reference, output=json.loads(effect.result or "null"))
        case "in-doubt":
            return ToolInDoubt(tool=reference, effect=effect.key, known=effect.error or "")
        case _:
            raise RecordedFailure(effect.error_type or "ToolError", f"{reference}: {effect.error}")


class RecordedFailure(Broken, of_one_text=False):
    """The tool failed, now or when the step was tried before."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(kind, text)
        self.kind = kind

    def __str__(self) -> str:
        return str(self.args[1])
