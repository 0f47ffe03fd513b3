"""A call of a tool, read and understood: which tool it is of, with which arguments, and what policy is asked about it.

The invariant: nothing of it depends on what has happened so far. Whoever reads the same request again gets the same
key and the same digest, and so finds what is on record of the call.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from pydantic import BaseModel

from ...memory.approvals import Approval
from ...memory.audit import AuditEvent
from ...memory.effect import Effect, Intent
from ..contracts import ToolInput
from .digest import digest_of
from .policy import Decision, Question, question_of
from .secrets import references_in
from .tool import BadArguments, Tool

KEYS = UUID("6e0f0f8e-1f0c-4f5e-9b55-8f4f0a4c2d10")


@dataclass(frozen=True)
class Plan:
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
    def call_key(self) -> str:
        """The key that the tool itself gets, and may show to others: the same for each attempt."""
        return str(uuid5(KEYS, self.key))

    @property
    def reference(self) -> str:
        return self.tool.manifest.reference

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

    def decided(self, decision: Decision, approval: str | None = None) -> AuditEvent:
        return self.event(
            "decided",
            verdict=decision.verdict,
            reasons=decision.reasons,
            policy=decision.policy,
            approval=approval,
            grounds=decision.grounds,
        )

    def intent(self, owner: UUID) -> Intent:
        return Intent(
            key=self.key,
            tenant=self.request.tenant,
            run=self.run,
            step=self.request.task,
            tool=self.tool.name,
            version=self.tool.manifest.version,
            source=self.tool.source,
            contract=self.tool.manifest.contract,
            chain=self.request.chain,
            arguments=self.arguments,
            digest=self.digest,
            owner=owner,
        )


@dataclass(frozen=True)
class Begin:
    """What is the same for each attempt at a call, until a person has it done again."""

    at: datetime  # when it was first intended
    agains: int = 0


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


def is_call_of(seen: Effect | Approval, request: ToolInput, run: str) -> bool:
    """Whether this is the call, as it was asked for, that is on record. The version is settled by the record."""
    name = request.tool.partition("@")[0]
    whose = (seen.tenant, seen.run, list(seen.chain), seen.tool)
    if whose != (request.tenant, run, list(request.chain), name):
        return False
    return digest_of(name, "", json.loads(seen.arguments or "null")) == digest_of(name, "", request.arguments)
