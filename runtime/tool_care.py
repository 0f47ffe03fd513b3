"""Sets quotas on tools and says that a version is deprecated: decided by policy, and on record before it holds."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from ..activities.tools.policy import Decides, Denied, Question
from ..actors.errors import NotFound
from ..memory.audit import Audit, AuditEvent
from ..memory.tools import ToolRegistry


@dataclass(frozen=True)
class ToolCare:
    registry: ToolRegistry
    policy: Decides
    audit: Audit
    by: str  # as in user:ada

    async def set_quota(self, tenant: str, principal: str, tool: str, calls: int, per: timedelta) -> None:
        told = {"set": f"{calls} calls in {per.total_seconds():g} s", "principal": principal}
        await self._allow("tool.quota", tenant, tool, told)
        await self.registry.set_quota(tenant, principal, tool, calls, per, self.by)

    async def remove_quota(self, tenant: str, principal: str, tool: str) -> None:
        await self._allow("tool.quota", tenant, tool, {"set": "none", "principal": principal})
        if not await self.registry.remove_quota(tenant, principal, tool):
            raise NotFound(f"there is no quota on {tool} by {principal} in {tenant}: see `resprout tool quota list`.")

    async def deprecate(self, name: str, version: str, why: str | None) -> None:
        """None takes it back. A tool is one for all tenants."""
        await self._allow("tool.deprecate", "default", f"{name}@{version}", {"why": why})
        if not await self.registry.deprecate(name, version, why):
            raise NotFound(f"{name}@{version} is not registered: see `resprout tool list --all`.")

    async def _allow(
        self, action: Literal["tool.quota", "tool.deprecate"], tenant: str, subject: str, told: dict[str, Any]
    ) -> None:
        question = Question(chain=(self.by,), tenant=tenant, run=None, action=action, subject=subject)
        decision = await self.policy.decide(question)
        event = AuditEvent(
            kind="decided",
            tenant=tenant,
            chain=(self.by,),
            step=action,
            tool=subject,
            arguments=told,
            verdict=decision.verdict,
            reasons=decision.reasons,
            policy=decision.policy,
            grounds=decision.grounds,
        )
        await self.audit.append([event])
        if decision.verdict != "allow":
            raise Denied(" ".join(decision.reasons))
