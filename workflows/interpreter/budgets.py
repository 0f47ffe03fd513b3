"""The word `budget`: what a task may spend is opened in the ledger before the task begins.

Its id is that of the task's step: the same in each history that the run is carried over into, so that it is opened
once; and another one for each attempt at a block around it. What is inside is handed the id, in the frame.
"""

from datetime import timedelta

from temporalio import workflow

from ...activities.contracts import OPEN_BUDGET, BudgetInput
from ...actors.models.money import nanos_of
from ..asking import RETRY
from ..flow.model import Budget, TaskBase

OPENED = "budget-opened"  # runs that began before this had tasks with budgets that nobody counted
OPENING = timedelta(seconds=30)


def is_counted(task: TaskBase) -> bool:
    return task.budget is not None and task.budget.is_counted and workflow.patched(OPENED)


async def open_budget(words: Budget, title: str, budget: str, parent: str | None, tenant: str) -> None:
    """Waits for Postgres, if need be: without the ledger nothing may be spent."""
    given = BudgetInput(
        budget=budget,
        parent=parent,
        tenant=tenant,
        title=title,
        tokens=words.tokens,
        nanos=nanos_of(words.cost) if words.cost is not None else None,
        calls=words.calls,
        until=workflow.now() + words.time if words.time is not None else None,
    )
    await workflow.execute_activity(
        OPEN_BUDGET,
        given,
        start_to_close_timeout=OPENING,
        retry_policy=RETRY,
        summary=f"budget of {title}"[:200],
    )
