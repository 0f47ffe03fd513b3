"""Every call of a language model: its row stands before it is made, with what is reserved for it, and ends with it.

The invariant: no model is called whose call does not stand here, by the same commit as its reservation; how it ended
and what that means for budgets are one commit, too. The first word on how an attempt ended holds.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from ..actors.models.budget import Refusal, Reservation
from ..actors.models.call import CallBegun, CallEnded
from .budgets import answer_of, tell_excess
from .database import Database
from .translated import translated

By = Literal["model", "agent", "run", "tenant", "day"]

BEGIN = """
WITH held AS MATERIALIZED (SELECT * FROM resprout.reserve_budget($1, $2, $3, $4, $5, $6, true, false)),
begun AS (
    INSERT INTO resprout.model_calls (key, attempt, tenant, budget, bound_tokens, bound_nanos, agent, run, model)
    SELECT $1, attempt, $2, $3, $4, $5, $7, $8, $9 FROM held WHERE attempt IS NOT NULL
)
SELECT * FROM held
"""

END = """
WITH settled AS MATERIALIZED (SELECT resprout.settle_budget($1, $2, $3, $4, $5, $6) AS first)
UPDATE resprout.model_calls SET
    outcome = $7, seconds = $8, nanos = $9, answered = $10, version = $11,
    input_tokens = $12, cached_tokens = $13, written_tokens = $14, output_tokens = $15
FROM settled WHERE first AND key = $1 AND attempt = $2 RETURNING id
"""

# What is not known to have ended well counts by its bound, as it does in budgets.
_OF = {
    "model": "coalesce(answered, model)",
    "agent": "coalesce(agent, '')",
    "run": "coalesce(run, '')",
    "tenant": "tenant",
    "day": "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
}
USAGE = """
SELECT {of} AS name, count(*) FILTER (WHERE outcome NOT IN ('rejected', 'busy')) AS calls,
       count(*) FILTER (WHERE outcome IN ('rejected', 'busy')) AS refused,
       count(*) FILTER (WHERE input_tokens IS NULL) AS unsure,
       coalesce(sum(input_tokens), 0)::bigint AS input_tokens, coalesce(sum(cached_tokens), 0)::bigint AS cached_tokens,
       coalesce(sum(written_tokens), 0)::bigint AS written_tokens,
       coalesce(sum(output_tokens), 0)::bigint AS output_tokens,
       coalesce(sum(bound_tokens) FILTER (WHERE input_tokens IS NULL), 0)::bigint AS unsure_tokens,
       coalesce(sum(nanos), 0)::bigint AS nanos,
       coalesce(sum(bound_nanos) FILTER (WHERE input_tokens IS NULL), 0)::bigint AS unsure_nanos,
       count(*) FILTER (WHERE nanos IS NULL AND (input_tokens IS NOT NULL OR bound_nanos IS NULL)) AS unpriced,
       coalesce(sum(seconds), 0)::float8 AS seconds
FROM resprout.model_calls
WHERE ($1::interval IS NULL OR at > now() - $1) AND ($2::text IS NULL OR tenant = $2)
GROUP BY 1 ORDER BY {order} LIMIT $3
"""
GROUPS = """
SELECT count(DISTINCT {of}) FROM resprout.model_calls
WHERE ($1::interval IS NULL OR at > now() - $1) AND ($2::text IS NULL OR tenant = $2)
"""
_LATEST_FIRST = "max(at) DESC, 1"
_BY_COST = "coalesce(sum(nanos), 0) + coalesce(sum(bound_nanos) FILTER (WHERE input_tokens IS NULL), 0) DESC, 1"

FORGET = """
WITH gone AS (
    DELETE FROM resprout.model_calls WHERE id = ANY (ARRAY(
        SELECT id FROM resprout.model_calls WHERE at < now() - $1::interval ORDER BY at LIMIT $2))
    RETURNING 1
)
SELECT count(*) FROM gone
"""


@dataclass(frozen=True)
class Used:
    """All calls of one model, agent, run, tenant or day together."""

    name: str
    calls: int
    refused: int  # besides: nothing was said, and nothing can have been charged
    unsure: int  # of these, it is not known how they ended
    input_tokens: int
    cached_tokens: int
    written_tokens: int
    output_tokens: int
    unsure_tokens: int  # at most, of calls that did not tell
    nanos: int  # of calls whose cost is known
    unsure_nanos: int  # at most, of calls that did not tell
    unpriced: int  # calls whose price nobody knows
    seconds: float


@dataclass(frozen=True)
class ModelCall:
    at: datetime
    tenant: str
    agent: str | None
    run: str | None
    model: str
    answered: str | None
    outcome: str
    input_tokens: int | None
    output_tokens: int | None
    nanos: int | None


LATEST = """
SELECT at, tenant, agent, run, model, answered, outcome, input_tokens, output_tokens, nanos
FROM resprout.model_calls WHERE ($1::text IS NULL OR run = $1) ORDER BY at DESC, id DESC LIMIT $2
"""


class ModelCalls:
    def __init__(self, open: Callable[[], Awaitable[Database]]) -> None:  # noqa: A002 - a pool, the first time and again
        self.open = open

    async def begin(self, call: CallBegun) -> Reservation | Refusal:
        """Only with a reservation may it be made."""
        who, bound = call.account, call.bound
        amount = (bound.tokens, bound.nanos, bound.calls)
        with translated():
            pool = (await self.open()).pool
            row = await pool.fetchrow(BEGIN, call.key, who.tenant, who.budget, *amount, who.agent, who.run, call.model)
            return await answer_of(row, call.key, bound, pool)

    async def end(self, held: Reservation, ended: CallEnded) -> bool:
        """False: that was said before."""
        spent, usage = ended.spent, ended.usage
        tell_excess(held, spent)
        state = "settled" if spent.calls else "released"
        said = (ended.outcome, ended.seconds, ended.nanos, ended.answered, ended.version)
        tokens: tuple[int | None, ...] = (None,) * 4
        if usage is not None:
            tokens = (usage.input_tokens, usage.cached_tokens, usage.written_tokens, usage.output_tokens)
        values = (spent.tokens, spent.nanos, spent.calls, state, *said, *tokens)
        with translated():
            return await (await self.open()).pool.fetchval(END, held.key, held.attempt, *values) is not None

    async def used(
        self, by: By, since: timedelta | None, tenant: str | None, limit: int, *, latest: bool = False
    ) -> list[Used]:
        """The dearest first, or those that were used last; of days, the latest."""
        order = "1 DESC" if by == "day" else _LATEST_FIRST if latest else _BY_COST
        statement = USAGE.format(of=_OF[by], order=order)
        return [Used(**row) for row in await self._fetch(statement, since, tenant, limit)]

    async def count(self, by: By, since: timedelta | None, tenant: str | None) -> int:
        """Of how many `used` could tell."""
        (row,) = await self._fetch(GROUPS.format(of=_OF[by]), since, tenant)
        return int(row[0])

    async def latest(self, run: str | None, limit: int) -> list[ModelCall]:
        return [ModelCall(**row) for row in await self._fetch(LATEST, run, limit)]

    async def forget(self, older_than: timedelta, most: int) -> int:
        """How many went."""
        with translated():
            gone: int = await (await self.open()).pool.fetchval(FORGET, older_than, most)
        return gone

    async def _fetch(self, statement: str, *values: Any) -> list[Any]:
        with translated():
            return list(await (await self.open()).pool.fetch(statement, *values))
