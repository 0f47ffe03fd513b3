"""The activities of the inbox: a task's question to people is put there, and answers are checked and written down.

The invariant: an answer counts when it is written here, and here it is seen that whoever gives it may: not who asked,
not who is not named, and only for exactly what was asked or what the answer puts in its place.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from ..actors.errors import NotFound, Rejected
from ..memory.approvals import Approval, Approvals, Asked
from ..memory.audit import AuditEvent
from .contracts import (
    ANSWER_APPROVAL,
    ASK_APPROVAL,
    EXPIRE_APPROVAL,
    AnswerInput,
    ApprovalInput,
    ExpiryInput,
)
from .tools.digest import digest_of
from .tools.doubts import by_name
from .tools.policy import Decides, Decision, Denied, question_of
from .tools.toolbox import Toolbox


class Approve:
    def __init__(
        self,
        approvals: Approvals,
        policy: Decides,
        toolbox: Toolbox,
        audit: Callable[[Sequence[AuditEvent]], Awaitable[None]],
        look: Callable[[str], Awaitable[None]] | None = None,  # for tools that came since, as where they are called
    ) -> None:
        self.approvals = approvals
        self.policy = policy
        self.toolbox = toolbox
        self.audit = audit
        self.look = look

    @activity.defn(name=ASK_APPROVAL)
    async def ask(self, request: ApprovalInput) -> None:
        asked = Asked(
            id=request.approval,
            kind="task",
            tenant=request.tenant,
            run=activity.info().workflow_id or "",
            task=request.task,
            title=request.title,
            chain=request.chain,
            who=request.who,
            shown=request.show,
            form=request.form,
            lasts=request.lasts,
        )
        await self.approvals.ask(asked, [_event_of_task(asked)])

    @activity.defn(name=EXPIRE_APPROVAL)
    async def expire(self, request: ExpiryInput) -> None:
        settled = f"; by the default of the task it is a {request.default}." if request.default else "."
        verdict = "allow" if request.default == "approve" else "deny"
        await self.approvals.expire(request.approval, f"nobody answered in time{settled}", verdict)

    @activity.defn(name=ANSWER_APPROVAL)
    async def answer(self, request: AnswerInput) -> None:
        try:
            await self._answer(request)
        except Rejected as error:
            raise ApplicationError(str(error), type=type(error).__name__, non_retryable=True) from None

    async def _answer(self, request: AnswerInput) -> None:
        approval = await self.approvals.find(request.approval)
        if approval is None:
            raise NotFound(f"there is no approval {request.approval}: list them with `resprout approvals list`.")
        by = by_name(request.by)
        state = "approved" if request.approved else "rejected"
        if approval.state != "pending":
            if (approval.answered_by, approval.state) == (by, state):
                return  # the step is tried again
            raise Rejected(f"{approval.title} is {approval.state} already{_by(approval)}.")
        edited, digest = await self._edited(approval, request)
        decision = await self._refuse_unfit(approval, by, edited)
        event = _event(approval, by, state, edited, (request.comment,) if request.comment else (), decision)
        if not await self.approvals.answer(
            approval.id, state, by, request.comment, [event], edited=edited, digest=digest
        ):
            raise Rejected(f"{approval.title} was answered, or is past its time, by now.")

    async def _edited(self, approval: Approval, request: AnswerInput) -> tuple[dict[str, Any] | None, str | None]:
        if request.arguments is None:
            return None, None
        if approval.kind != "tool" or not request.approved:
            raise Rejected("only the arguments of a call that is approved can be edited.")
        assert approval.tool is not None
        assert approval.version is not None
        if self.look is not None:
            await self.look(approval.tool)
        self.toolbox.find(f"{approval.tool}@{approval.version}").parse(request.arguments)
        return request.arguments, digest_of(approval.tool, approval.version, request.arguments)

    async def _refuse_unfit(self, approval: Approval, by: str, edited: dict[str, Any] | None) -> Decision | None:
        """What policy said; None where the flow itself says who answers."""
        if approval.who and by not in approval.who and by.removeprefix("user:") not in approval.who:
            await self._refused(approval, by, said := f"it is for {', '.join(approval.who)} to answer, not for {by}.")
            raise Denied(said)
        if approval.kind == "task":
            await self._refuse_machines(approval, by)
            return None
        question = question_of(
            chain=(by,),
            tenant=approval.tenant,
            run=approval.run,
            action="approval.answer",
            subject=approval.id,
            asked_by=tuple(approval.chain),
            tool=approval.tool or "",
            version=approval.version or "",
            arguments=edited or json.loads(approval.arguments or "{}"),
        )
        decision = await self.policy.decide(question)
        if decision.verdict != "allow":
            await self._refused(approval, by, said := " ".join(decision.reasons), decision)
            raise Denied(f"{by} may not answer {approval.title}: {said}")
        return decision

    async def _refuse_machines(self, approval: Approval, by: str) -> None:
        """A flow's own question is to people, whoever they are, unless the flow names them: nothing is permitted by
        the answer but what the flow's author wrote."""
        if not by.startswith("user:"):
            said = f"{approval.title} is a question to people, and {by} is none."
            await self._refused(approval, by, said)
            raise Denied(said)

    async def _refused(self, approval: Approval, by: str, said: str, decision: Decision | None = None) -> None:
        await self.audit([_event(approval, by, "refused", None, (said,), decision)])


def _by(approval: Approval) -> str:
    return f" by {approval.answered_by}" if approval.answered_by else ""


def _event(
    approval: Approval,
    by: str,
    kind: str,
    edited: dict[str, Any] | None,
    reasons: Sequence[str],
    decision: Decision | None,
) -> AuditEvent:
    return AuditEvent(
        kind=kind,
        tenant=approval.tenant,
        chain=(by,),
        run=approval.run,
        step=approval.id,
        tool=approval.tool or "",
        version=approval.version or "",
        arguments=edited if edited is not None else json.loads(approval.arguments or "{}"),
        verdict="deny" if kind in ("rejected", "refused") else "allow",
        reasons=tuple(reasons),
        policy=decision.policy if decision is not None else "",
        grounds=decision.grounds if decision is not None else None,
    )


def _event_of_task(asked: Asked) -> AuditEvent:
    return AuditEvent(kind="asked", tenant=asked.tenant, chain=tuple(asked.chain), run=asked.run, step=asked.id)
