"""The ledger of budgets: what may be spent, what is, and what is held for calls in flight.

The rules, and why they hold:

- What a call could take at most is reserved before it is made, in its budget, in all above it and in those of its
  tenant, or in none: their rows are locked in one order, so that however many ask at once, none sees room that another
  one has taken, and none waits in a circle.
- What was really used takes the place of what was reserved, once: a reservation is settled by its key and attempt.
- A key that is reserved again while its last reservation is open belongs to a process that was killed: what it held
  counts as spent, since it may have been charged. If that process lives after all, its own word replaces this.
- So spent and reserved together are never above a limit, except by what a call used beyond its own bound: that is
  written down as it was, and is a defect of the estimate.

The statements are functions in the database, so that no lock waits for a process of ours.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from ..actors.errors import NotFound
from ..actors.logger import get_logger
from ..actors.models.budget import Amount, Limits, Refusal, Reservation
from .database import Database
from .translated import translated

log = get_logger("resprout.budgets")

# With its parent, or not at all.
ADD = """
INSERT INTO resprout.budgets (id, parent, lineage, tenant, run, title, max_tokens, max_nanos, max_calls, until)
SELECT $1, $2::text, array_prepend($1, coalesce(above.lineage, '{}')), $3, $4, $5, $6, $7, $8, $9
FROM (SELECT) AS one LEFT JOIN resprout.budgets above ON above.id = $2 AND above.tenant = $3
WHERE $2 IS NULL OR above.id IS NOT NULL
ON CONFLICT (id) DO NOTHING
"""

IS_THERE = "SELECT EXISTS (SELECT FROM resprout.budgets WHERE id = $1 AND tenant = $2)"

RESERVE = "SELECT * FROM resprout.reserve_budget($1, $2, $3, $4, $5, $6, $7, $8)"

HELD = """
SELECT reserved_tokens AS tokens, reserved_nanos AS cost, reserved_calls AS calls FROM resprout.budgets WHERE id = $1
"""

SETTLE = "SELECT resprout.settle_budget($1, $2, $3, $4, $5, $6)"


class Budgets:
    def __init__(self, open: Callable[[], Awaitable[Database]]) -> None:  # noqa: A002 - a pool, the first time and again
        self.open = open

    async def add(
        self, budget: str, limits: Limits, *, tenant: str, parent: str | None = None, run: str | None = None, title: str
    ) -> None:
        """The first word on an id holds: a step that is tried again opens it once."""
        given = (limits.tokens, limits.nanos, limits.calls, limits.until)
        with translated():
            pool = (await self.open()).pool
            await pool.execute(ADD, budget, parent, tenant, run, title, *given)
            if not await pool.fetchval(IS_THERE, budget, tenant):
                raise NotFound(f"there is no budget {parent} for {budget} to be a part of: open that one first.")

    async def reserve(
        self, key: str, amount: Amount, *, tenant: str, budget: str | None, of_models: bool = True, once: bool = False
    ) -> Reservation | Refusal:
        """Before the call is made. `once`: however often the key is reserved, it counts for one call."""
        with translated():
            given = (amount.tokens, amount.nanos, amount.calls, of_models, once)
            pool = (await self.open()).pool
            row = await pool.fetchrow(RESERVE, key, tenant, budget, *given)
            return await answer_of(row, key, amount, pool)

    async def settle(self, held: Reservation, spent: Amount) -> bool:
        """False: that was said before."""
        tell_excess(held, spent)
        return await self._settle(held, spent, "settled")

    async def release(self, held: Reservation) -> bool:
        """Nothing was sent."""
        return await self._settle(held, Amount(), "released")

    async def _settle(self, held: Reservation, spent: Amount, state: str) -> bool:
        values = (spent.tokens, spent.nanos, spent.calls, state)
        with translated():
            return bool(await (await self.open()).pool.fetchval(SETTLE, held.key, held.attempt, *values))


async def answer_of(row: Any, key: str, amount: Amount, pool: Any) -> Reservation | Refusal:
    if row["attempt"] is not None:
        return Reservation(key, row["attempt"], amount)
    found = await pool.fetchrow(HELD, row["budget"])
    held = found.get(row["bound"]) or 0 if found is not None else 0  # for the sentence alone: it may be less by now
    allowed, remains = row["allowed"] or 0, row["remains"] or 0
    return Refusal(row["budget"], row["called"], row["bound"], allowed, remains, amount, held)


def tell_excess(held: Reservation, spent: Amount) -> None:
    if spent.exceeds(held.amount):
        log.error(
            "a call used more than was reserved for it, so a budget may be exceeded",
            key=held.key,
            reserved=str(held.amount),
            spent=str(spent),
            remedy="report it: the estimate is to be mended",
        )
