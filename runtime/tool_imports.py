"""Imports tools from outside, and removes them: decided by policy, on record, and then for every process.

The invariant: policy has said yes before a program of the source is started or a URL is asked.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..activities.tools.manifest import Permission
from ..activities.tools.outside.choices import Known
from ..activities.tools.policy import Decides, Decision, Denied, Question
from ..activities.tools.tool import Tool
from ..actors.errors import NotFound, Rejected
from ..memory.audit import Audit, AuditEvent
from ..memory.tools import Registration, ToolRegistry


@dataclass(frozen=True)
class ToolImports:
    registry: ToolRegistry
    policy: Decides
    audit: Audit
    by: str  # as in user:ada
    tenant: str = "default"

    async def known(self) -> Known:
        """Every version there ever was, so that a changed tool gets another one."""
        known: dict[str, list[tuple[str, str]]] = {}
        for one in await self.registry.every():
            known.setdefault(one.name, []).append((one.version, one.digest))
        return known

    async def allow(self, source: str, permissions: Sequence[Permission]) -> None:
        """Raises Denied. Whoever is allowed is on record before anything happens."""
        question = Question(
            chain=(self.by,),
            tenant=self.tenant,
            run=None,
            action="tool.import",
            source=source,
            subject=source,
            permissions=tuple(permissions),
        )
        decision = await self.policy.decide(question)
        arguments = {"source": source, "permissions": [str(one) for one in permissions]}
        await self._write("decided", arguments, decision)
        if decision.verdict != "allow":
            raise Denied(f"{self.by} may not import {source}: {' '.join(decision.reasons)}")

    async def add(self, source: str, kind: str, origin: dict[str, Any], tools: Sequence[Tool]) -> None:
        clashing = await self.registry.register([registration(one) for one in tools])
        if clashing:
            known = ", ".join(map(str, clashing))
            raise Rejected(f"{known} is on record as another tool: raise the version, or choose another name.")
        told = {"source": source, "tools": [one.manifest.reference for one in tools]}
        await self._write("imported", told)
        await self.registry.add_source(source, kind, origin, self.by)

    async def remove(self, source: str) -> None:
        known = [one.source for one in await self.registry.sources()]
        if source not in known:
            raise NotFound(f"there is no source {source!r}: there are {', '.join(known) or 'none'}.")
        await self.allow(source, ())
        await self._write("removed", {"source": source})
        await self.registry.remove_source(source)

    async def _write(self, kind: str, arguments: dict[str, Any], decision: Decision | None = None) -> None:
        """What was decided, or, without a decision, what was done after one."""
        event = AuditEvent(
            kind=kind,
            tenant=self.tenant,
            chain=(self.by,),
            step="tool.import",
            tool=str(arguments["source"]),
            arguments=arguments,
            verdict=decision.verdict if decision is not None else "allow",
            reasons=decision.reasons if decision is not None else (),
            policy=decision.policy if decision is not None else "",
            grounds=decision.grounds if decision is not None else None,
        )
        await self.audit.append([event])


def registration(one: Tool) -> Registration:
    return Registration(
        one.name,
        one.manifest.version,
        one.manifest.digest,
        json.dumps(one.manifest.model_dump(mode="json")),
        one.source,
        one.manifest.deprecated,
    )
