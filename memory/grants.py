"""Who may do what beyond the rules, in Postgres, and the number that changes with it.

The invariant: whoever read a generation and then the grants has grants that are at least as new. So a generation is
read first, and what was decided by older grants is thrown away when it has changed.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from .audit import AuditEvent, append
from .database import Database
from .translated import translated

_COLUMNS = (
    "id, tenant, principal, verdict, actions, tools, role, why, granted_by, granted_at, expires_at, revoked_by, "
    "revoked_at"
)

ADD = f"""
INSERT INTO resprout.grants (tenant, principal, verdict, actions, tools, role, why, granted_by, expires_at)
VALUES ($1, $2, $3, $4::text[], $5::text[], $6, $7, $8, $9) RETURNING {_COLUMNS}
"""

REVOKE = f"""
UPDATE resprout.grants SET revoked_by = $3, revoked_at = now()
WHERE tenant = $1 AND id = $2 AND revoked_at IS NULL RETURNING {_COLUMNS}
"""

GENERATION = "SELECT generation FROM resprout.grants_generation"

IN_FORCE = f"""
SELECT {_COLUMNS} FROM resprout.grants
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) ORDER BY id
"""

EVERY = f"SELECT {_COLUMNS} FROM resprout.grants WHERE tenant IN ($1, '*') ORDER BY id DESC LIMIT $2"


@dataclass(frozen=True)
class Grant:
    """What a principal may do, or must not (`deny`), or which role it has."""

    tenant: str
    principal: str  # a pattern with `*`, or role:NAME
    verdict: Literal["allow", "approve", "deny"] = "allow"
    actions: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    role: str | None = None
    why: str = ""
    granted_by: str = ""
    expires_at: datetime | None = None
    id: int = 0
    granted_at: datetime | None = None
    revoked_by: str | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True)
class Grants:
    open: Callable[[], Awaitable[Database]]  # a pool, the first time and again

    async def generation(self) -> int:
        with translated():
            return cast(int, await (await self.open()).pool.fetchval(GENERATION))

    async def in_force(self) -> list[Grant]:
        """Of all tenants."""
        return await self._fetch(IN_FORCE)

    async def every(self, tenant: str, limit: int) -> list[Grant]:
        """The newest first, with those that are revoked or over."""
        return await self._fetch(EVERY, tenant, limit)

    async def add(self, given: Sequence[Grant], event: Callable[[Grant], AuditEvent]) -> list[Grant]:
        """All or none, each with its event in the audit log."""
        with translated():
            async with (await self.open()).pool.acquire() as connection, connection.transaction():
                added = [_grant(await connection.fetchrow(ADD, *_values(one))) for one in given]
                await append(connection, [event(one) for one in added])
        return added

    async def revoke(self, tenant: str, grant: int, by: str, event: Callable[[Grant], AuditEvent]) -> Grant | None:
        """None: there is none in force with this number."""
        with translated():
            async with (await self.open()).pool.acquire() as connection, connection.transaction():
                row = await connection.fetchrow(REVOKE, tenant, grant, by)
                if row is None:
                    return None
                await append(connection, [event(_grant(row))])
        return _grant(row)

    async def _fetch(self, statement: str, *values: Any) -> list[Grant]:
        with translated():
            return [_grant(row) for row in await (await self.open()).pool.fetch(statement, *values)]


def _grant(row: Any) -> Grant:
    return Grant(**{**row, "actions": tuple(row["actions"]), "tools": tuple(row["tools"])})


def _values(given: Grant) -> tuple[Any, ...]:
    what = (given.verdict, list(given.actions), list(given.tools), given.role)
    return (given.tenant, given.principal, *what, given.why, given.granted_by, given.expires_at)
