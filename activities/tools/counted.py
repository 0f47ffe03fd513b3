"""A call of a tool under a budget is one of its `calls`, however often its step is tried.

It is reserved before anything else is done about it. What is refused was no call, and is given back; one that waits for
an approval goes on holding its place.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from ...actors.errors import Broken, Rejected
from ...actors.models import Amount, BudgetExceeded, Refusal, Reservation
from ..contracts import ToolDone, ToolInDoubt, ToolInput, ToolWaits

ONE_CALL = Amount(calls=1)

Result = ToolDone | ToolWaits | ToolInDoubt


class CallsLeft(Protocol):
    """What is needed of the ledger of budgets."""

    async def reserve(
        self, key: str, amount: Amount, *, tenant: str, budget: str | None, of_models: bool = True, once: bool = False
    ) -> Reservation | Refusal: ...
    async def settle(self, held: Reservation, spent: Amount) -> bool: ...
    async def release(self, held: Reservation) -> bool: ...


async def counted(budgets: CallsLeft, request: ToolInput, call: Callable[[], Awaitable[Result]]) -> Result:
    """Raises BudgetExceeded, too."""
    if request.budget is None:
        return await call()
    held = await budgets.reserve(
        request.step, ONE_CALL, tenant=request.tenant, budget=request.budget, of_models=False, once=True
    )
    if isinstance(held, Refusal):
        raise BudgetExceeded(f"{request.tool} was not called: {held}")
    try:
        result = await call()
    except Rejected:
        await budgets.release(held)
        raise
    except Broken:  # it was called, and failed
        await budgets.settle(held, ONE_CALL)
        raise
    if not isinstance(result, ToolWaits):
        await budgets.settle(held, ONE_CALL)
    return result
