"""The activity `budget.open`: what a task may spend is entered into the ledger, once, before the task begins."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from ..actors.errors import Rejected
from ..actors.models import Limits
from ..memory.budgets import Budgets
from .contracts import OPEN_BUDGET, BudgetInput


class OpenBudget:
    def __init__(self, budgets: Budgets) -> None:
        self.budgets = budgets

    @activity.defn(name=OPEN_BUDGET)
    async def open(self, request: BudgetInput) -> None:
        limits = Limits(request.tokens, request.nanos, request.calls, request.until)
        run = activity.info().workflow_id
        try:
            await self.budgets.add(
                request.budget, limits, tenant=request.tenant, parent=request.parent, run=run, title=request.title
            )
        except Rejected as error:
            raise ApplicationError(str(error), type=type(error).__name__, non_retryable=True) from None
