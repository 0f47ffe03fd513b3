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
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

from ...actors.errors import Rejected, Unavailable
from ...memory.approvals import Approval, Approvals
from ...memory.audit import AuditEvent
from ...memory.effect import Begun, Effect, Known, Limit, NoApproval, Over
from ...memory.effects import Effects
from ..contracts import ToolDone, ToolInDoubt, ToolInput, ToolWaits
from .asking import Asking, waits
from .gone import end_without_tool
from .outcomes import ENDED, Outcomes, has_ended, recorded
from .plan import Begin, Plan, is_call_of, plan_of
from .policy import Decides, Decision, Denied
from .secrets import Revealed, Secrets
from .tool import Tool, ToolCall
from .toolbox import Toolbox, UnknownTool

OTHER_CALL = "what was approved was another call: another tool, version or other arguments."
USED = "its approval was used before, or taken back; ask again."


class StepTaken(Rejected):
    """The step that is to name this call names another one."""


class Throttled(Unavailable):
    """It was called as often as it may be for now."""


@dataclass(frozen=True)
class ToolCaller:
    toolbox: Toolbox
    policy: Decides
    effects: Effects
    approvals: Approvals
    audit: Callable[[Sequence[AuditEvent]], Awaitable[None]]
    secrets: Secrets
    uses: Callable[[Plan, Begin], ToolCall]  # what a call may use
    look: Callable[[str], Awaitable[None]] | None = None  # for tools that came since, before this one is found
    is_leaving: Callable[[], bool] = lambda: False  # this process ends, and another goes on with what it had
    owner: UUID = field(default_factory=uuid4)

    async def call(self, request: ToolInput, run: str) -> ToolDone | ToolWaits | ToolInDoubt:
        """Raises one of errors.py: Rejected and Broken for good, Unavailable when it may be tried again."""
        known = await self.effects.find(request.step)
        approval = None
        if known is None or not is_call_of(known, request, run):  # else it was approved with other arguments, or taken
            approval = await self.approvals.find(request.step)
            await self._refuse_taken(approval or known, request, run)
        if known is not None and has_ended(known):
            return recorded(known)
        attempt = replace(self, owner=uuid4())
        if self.look is not None:
            await self.look(request.tool)
        if known is not None:
            return await attempt._found(known, request, run)
        plan = await self._plan(request, run, approval)
        return await attempt._decide(plan, approval)

    async def _refuse_taken(self, seen: Effect | Approval | None, request: ToolInput, run: str) -> None:
        """A step is named by whoever calls: a second call by it neither sees nor gets what the first one did."""
        if seen is None or is_call_of(seen, request, run):
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
            raise Denied(f"{approval.answered_by} rejected {plan.reference}{said}")
        decision = await self.policy.decide(plan.question)
        if decision.verdict == "deny":
            await self.audit([plan.decided(decision)])
            raise Denied(f"{plan.reference} is not allowed: {' '.join(decision.reasons)}")
        if decision.verdict == "allow":
            if approval is not None:  # something was granted meanwhile
                await self.approvals.withdraw([approval.id], "it was granted meanwhile.")
            return await self._begin(plan, decision, None)
        if approval is None:
            approval = await Asking(self.approvals, self.uses).ask(plan, decision)
            await self._refuse_taken(approval, plan.request, plan.run)
        return await self._as_answered(plan, decision, approval)

    async def _as_answered(
        self, plan: Plan, decision: Decision, approval: Approval
    ) -> ToolDone | ToolWaits | ToolInDoubt:
        match approval.state:
            case "pending":
                return waits(plan, approval)
            case "approved":
                if approval.digest != plan.digest:
                    raise await self._refused(plan, OTHER_CALL)
                return await self._begin(plan, decision, approval.id)
            case ended:  # expired or withdrawn
                said = f"nobody approved {plan.reference} in time. Ask again."
                await self.audit([plan.event(ended, verdict="deny", reasons=(said,), approval=approval.id)])
                raise Denied(said)

    async def _refused(self, plan: Plan, why: str) -> Denied:
        await self.audit([plan.event("refused", verdict="deny", reasons=(why,))])
        return Denied(f"{plan.reference} is not allowed: {why}")

    # It may.

    async def _begin(self, plan: Plan, decision: Decision, approval: str | None) -> ToolDone | ToolInDoubt:
        rate = plan.tool.manifest.rate
        limits = [Limit(plan.tool.name, "*", rate.calls, rate.per)] if rate is not None else []
        intent, decided = plan.intent(self.owner), plan.decided(decision, approval)
        begun = await self.effects.intend(intent, [decided], limits, approval)
        match begun:
            case Begun(at):
                return await self._do(plan, Begin(at))
            case Known(effect):
                if approval is None:  # else the question was the same, and who else asked it began
                    await self._refuse_taken(effect, plan.request, plan.run)
                return await self._found(effect, plan.request, plan.run)
            case NoApproval():
                raise await self._refused(plan, USED)
            case Over():
                raise await self._throttled(plan, begun)

    async def _throttled(self, plan: Plan, over: Over) -> Throttled:
        limit, per = over.limit, over.limit.per.total_seconds()
        whose = "" if limit.principal == "*" else f" by {limit.principal}"
        what = limit.tool if limit.tool != "*" else "tools"
        said = f"{what} may be called{whose} {limit.calls} times in {per:g} s"
        await self.audit([plan.event("throttled", verdict="deny", reasons=(f"{said}.",), is_news=True)])
        return Throttled(f"{said}, and was. Try again in {over.frees_in.total_seconds():.1f} s.", over.frees_in)

    # It began before.

    async def _found(self, effect: Effect, request: ToolInput, run: str) -> ToolDone | ToolInDoubt:
        """As it was decided then: this version, with these arguments. The contract is that of the record, and a doubt
        needs no tool: it may have changed since, or be gone."""
        if has_ended(effect):
            return recorded(effect)
        if effect.state == "intended" and effect.contract == "at-most-once":
            return await self._outcomes.left(effect)
        try:
            tool = self.toolbox.find(f"{effect.tool}@{effect.version}")
        except UnknownTool as error:
            await end_without_tool(self.effects, effect, self.owner, str(error))
            return await self._outcomes.on_record(effect.key)
        plan = plan_of(tool, json.loads(effect.arguments), request, run, newest=effect.version)
        if await self.effects.take_over(effect, self.owner, [_repeated(effect, plan)]):
            return await self._do(plan, Begin(effect.intended_at, effect.agains))
        return await self._outcomes.on_record(effect.key)

    # It happens.

    async def _do(self, plan: Plan, began: Begin) -> ToolDone | ToolInDoubt:
        outcomes = self._outcomes
        try:
            revealed = self._revealed(plan)
        except Rejected as error:
            return await outcomes.refused(plan, error)
        try:
            async with asyncio.timeout(plan.tool.manifest.timeout.total_seconds()):
                output = revealed.hidden(
                    await plan.tool.run(self.uses(plan, began), plan.tool.parse(revealed.arguments))
                )
        except asyncio.CancelledError:
            if not self.is_leaving():  # else the next worker goes on
                await outcomes.cancelled(plan)
            raise
        except Exception as error:  # noqa: BLE001 - a tool's defect is this call's failure, not the worker's
            return await outcomes.failed(plan, error, revealed.hidden(str(error)))
        return await outcomes.done(plan, output)

    def _revealed(self, plan: Plan) -> Revealed:
        """What is handed on to others keeps its references: the tool that uses the value at last gets it, and a run's
        history or an agent's mailbox never has it."""
        return Revealed(plan.arguments, {}) if plan.tool.keeps_references else self.secrets.revealed(plan.arguments)

    @property
    def _outcomes(self) -> Outcomes:
        return Outcomes(self.effects, self.audit, self.owner)


def _repeated(effect: Effect, plan: Plan) -> AuditEvent:
    why = f"{effect.resolved_by} has it done again" if effect.state == "again" else ENDED.removesuffix(".")
    return plan.event("repeated", reasons=(f"{why}: attempt {effect.attempts + 1}.",))


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
