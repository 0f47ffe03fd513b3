"""Calls in doubt, and what people say became of them."""

import json
import re
import shlex
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from ...actors.errors import BadArgument, NotFound, Rejected
from ...memory.audit import AuditEvent
from ...memory.effect import Effect
from ...memory.effects import RESOLVED, Effects
from ..contracts import ResolveInput
from .policy import Decides, Decision, Denied, question_of

PERSON = re.compile(r"(user|agent|run|tenant|service):.{1,250}")  # the others are told by policy that they may not


@dataclass(frozen=True)
class Doubts:
    policy: Decides
    effects: Effects
    audit: Callable[[Sequence[AuditEvent]], Awaitable[None]]

    async def resolve(self, request: ResolveInput) -> None:
        """The same said again by the same person holds already; another word comes too late."""
        effect = await self.effects.find(request.effect)
        if effect is None:
            raise NotFound(f"there is no effect {request.effect}: list them with `resprout effects in-doubt`.")
        by = by_name(request.by)
        if effect.state != "in-doubt":
            if _was_said(effect, request, by):
                return
            raise Rejected(f"the effect {effect.key} is not in doubt: it is {effect.state}.")
        question = question_of(
            chain=(by,), tenant=effect.tenant, run=effect.run, action="effect.resolve", subject=effect.key,
            tool=effect.tool, version=effect.version, source=effect.source, arguments=json.loads(effect.arguments),
        )  # fmt: skip
        decision = await self.policy.decide(question)
        if decision.verdict != "allow":
            await self.audit([_event(effect, by, "refused", decision.reasons, decision)])
            raise Denied(f"{by} may not resolve {effect.key}: {' '.join(decision.reasons)}")
        said = f"{request.resolution}{f': {request.comment}' if request.comment else ''}"
        event = _event(effect, by, "resolved", (said,), decision)
        if not await self.effects.resolve(
            effect.key, request.resolution, by, request.comment, [event], result=request.result
        ):
            see = shlex.join(["resprout", "effects", "show", effect.key])
            raise Rejected(f"the effect {effect.key} is not in doubt any more: see `{see}`.")


def by_name(name: str) -> str:
    by = name if ":" in name else f"user:{name}"
    if not PERSON.fullmatch(by):
        raise BadArgument(f"{name[:60]!r} is nobody who could answer: give a name, as in ada or user:ada.")
    return by


def _was_said(effect: Effect, request: ResolveInput, by: str) -> bool:
    if effect.resolved_by != by:
        return False
    match request.resolution:
        case "done":
            return effect.state == "done" and json.loads(effect.result or "null") == request.result
        case "failed":
            return effect.state == "failed" and effect.error_type == RESOLVED
        case "again":  # whatever became of it since
            return effect.agains > 0
        case _:
            assert_never(request.resolution)


def _event(effect: Effect, by: str, kind: str, reasons: Sequence[str], decision: Decision) -> AuditEvent:
    return AuditEvent(
        kind=kind,
        tenant=effect.tenant,
        chain=(by,),
        run=effect.run,
        step=effect.key,
        tool=effect.tool,
        version=effect.version,
        arguments=json.loads(effect.arguments),
        verdict="allow" if kind == "resolved" else "deny",
        reasons=tuple(reasons),
        policy=decision.policy,
        grounds=decision.grounds,
    )
