"""Sets what a tenant may spend in a day or month: decided by policy, and on record before it holds."""

from dataclasses import dataclass
from typing import Any

from ..activities.tools.policy import Decides, Question
from ..actors.errors import NotFound, Rejected
from ..actors.models import Limits
from ..actors.models.money import dollars
from ..memory.audit import Audit, AuditEvent
from ..memory.budget_book import BudgetBook, Per

SET = "budget.set"


class NotTheirs(Rejected):
    """Policy does not let this person look after budgets."""


@dataclass(frozen=True)
class BudgetCare:
    book: BudgetBook
    policy: Decides
    audit: Audit
    by: str  # as in user:ada

    async def set(self, tenant: str, per: Per, limits: Limits) -> None:
        cost = dollars(limits.nanos) if limits.nanos is not None else None
        await self._allow(tenant, {"per": per, "tokens": limits.tokens, "cost": cost})
        await self.book.set(tenant, per, limits, self.by)

    async def remove(self, tenant: str, per: Per) -> None:
        await self._allow(tenant, {"per": per, "set": "none"})
        if not await self.book.remove(tenant, per):
            raise NotFound(f"the tenant {tenant} has no budget for each {per}: see `resprout budget list`.")

    async def _allow(self, tenant: str, told: dict[str, Any]) -> None:
        question = Question(chain=(self.by,), tenant=tenant, run=None, action=SET, subject=tenant)
        decision = await self.policy.decide(question)
        event = AuditEvent(
            kind="decided",
            tenant=tenant,
            chain=(self.by,),
            step=SET,
            arguments=told,
            verdict=decision.verdict,
            reasons=decision.reasons,
            policy=decision.policy,
        )
        await self.audit.append([event])
        if decision.verdict != "allow":
            raise NotTheirs(" ".join(decision.reasons))
