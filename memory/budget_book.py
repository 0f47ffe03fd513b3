"""Budgets as people see and set them: what was spent of each, and what a tenant may spend in a day or month."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ..actors.models.budget import Limits
from .database import Database
from .translated import translated

Per = Literal["day", "month"]

_COLUMNS = (
    "id, parent, tenant, run, title, max_tokens, max_nanos, max_calls, until, spent_tokens, spent_nanos, spent_calls, "
    "unpriced_calls, reserved_tokens, reserved_nanos, reserved_calls, opened_at, used_at"
)

# By its id, or all of a run; with those inside.
SHOW = f"""
SELECT {_COLUMNS} FROM resprout.budgets
WHERE lineage && ARRAY(SELECT id FROM resprout.budgets WHERE id = $1 OR run = $1) ORDER BY opened_at, id
"""

LATEST = f"""
SELECT {_COLUMNS} FROM resprout.budgets
WHERE ($1::text IS NULL OR tenant = $1) ORDER BY used_at DESC, id LIMIT $2
"""

TENANTS = "SELECT tenant, per, max_tokens, max_nanos, set_by, set_at FROM resprout.tenant_budgets ORDER BY tenant, per"

SET = """
INSERT INTO resprout.tenant_budgets (tenant, per, max_tokens, max_nanos, set_by) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant, per) DO UPDATE SET
    max_tokens = excluded.max_tokens, max_nanos = excluded.max_nanos, set_by = excluded.set_by, set_at = now()
"""

# The one that is being spent from goes by the new limits at once.
SET_WINDOW = """
UPDATE resprout.budgets SET max_tokens = $3, max_nanos = $4 WHERE id = resprout.budget_window($1, $2, now())
"""

REMOVE = "DELETE FROM resprout.tenant_budgets WHERE tenant = $1 AND per = $2 RETURNING tenant"

# What nobody can spend from any more, see runtime/budget_retention.py. A month's budget outlives the runs that used it.
FORGET_BUDGETS = """
WITH gone AS (
    DELETE FROM resprout.budgets WHERE id = ANY (ARRAY(
        SELECT id FROM resprout.budgets WHERE used_at < $1 AND (until IS NULL OR until < $1) ORDER BY used_at LIMIT $2))
    RETURNING 1
)
SELECT count(*) FROM gone
"""

FORGET_RESERVATIONS = """
WITH gone AS (
    DELETE FROM resprout.budget_reservations WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM resprout.budget_reservations WHERE reserved_at < $1 ORDER BY reserved_at LIMIT $2))
    RETURNING 1
)
SELECT count(*) FROM gone
"""


@dataclass(frozen=True)
class BudgetRow:
    id: str
    parent: str | None
    tenant: str
    run: str | None
    title: str
    max_tokens: int | None
    max_nanos: int | None
    max_calls: int | None
    until: datetime | None
    spent_tokens: int
    spent_nanos: int
    spent_calls: int
    unpriced_calls: int  # of these, nobody knows the cost
    reserved_tokens: int
    reserved_nanos: int
    reserved_calls: int
    opened_at: datetime
    used_at: datetime


@dataclass(frozen=True)
class TenantBudget:
    tenant: str
    per: Per
    max_tokens: int | None
    max_nanos: int | None
    set_by: str
    set_at: datetime


class BudgetBook:
    def __init__(self, open: Callable[[], Awaitable[Database]]) -> None:  # noqa: A002 - a pool, the first time and again
        self.open = open

    @classmethod
    def of(cls, database: Database) -> "BudgetBook":
        """On a pool that is open already."""

        async def opened() -> Database:
            return database

        return cls(opened)

    async def show(self, id_or_run: str) -> list[BudgetRow]:
        return [BudgetRow(**row) for row in await self._fetch(SHOW, id_or_run)]

    async def latest(self, tenant: str | None, limit: int) -> list[BudgetRow]:
        return [BudgetRow(**row) for row in await self._fetch(LATEST, tenant, limit)]

    async def tenants(self) -> list[TenantBudget]:
        return [TenantBudget(**row) for row in await self._fetch(TENANTS)]

    async def set(self, tenant: str, per: Per, limits: Limits, by: str) -> None:
        """Tokens and cost; from when it is set."""
        with translated():
            async with (await self.open()).pool.acquire() as connection, connection.transaction():
                await connection.execute(SET, tenant, per, limits.tokens, limits.nanos, by)
                await connection.execute(SET_WINDOW, tenant, per, limits.tokens, limits.nanos)

    async def remove(self, tenant: str, per: Per) -> bool:
        """False: there is none."""
        return bool(await self._fetch(REMOVE, tenant, per))

    async def forget(self, before: datetime, most: int) -> int:
        """How many rows went, of budgets and of what was reserved in them."""
        with translated():
            pool = (await self.open()).pool
            budgets: int = await pool.fetchval(FORGET_BUDGETS, before, most)
            reservations: int = await pool.fetchval(FORGET_RESERVATIONS, before, most)
        return budgets + reservations

    async def _fetch(self, statement: str, *values: Any) -> list[Any]:
        with translated():
            return list(await (await self.open()).pool.fetch(statement, *values))
