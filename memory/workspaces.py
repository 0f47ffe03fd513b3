"""The record of workspaces: who has which, and until when.

The invariant: a container of a workspace that is on no record as alive is nobody's, and whoever finds it removes it. So
the record is written before the container is made, and says that it is gone before the container goes.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from .database import Database
from .translated import translated

KEPT_AS_GONE = timedelta(days=1)
ONE_AT_A_TIME = 0x7265_7373  # an advisory lock; any number that nobody else in this database uses

_EXPIRED = "(ends_at <= now() OR (state <> 'paused' AND used_at + idle <= now()))"
_COLUMNS = (
    "id, tenant, name, owner, spec, spec_hash, backend, isolation, place, state, made_at, used_at, idle, ends_at, "
    "gone_at, gone_why"
)

# Under the lock, so that two at once do not both find the last room.
LOCK = f"SELECT pg_advisory_xact_lock({ONE_AT_A_TIME})"
COUNT = """
SELECT count(*) FILTER (WHERE tenant = $1) AS of_tenant, count(*) AS of_all
FROM resprout.workspaces WHERE state <> 'gone'
"""
INTEND = """
INSERT INTO resprout.workspaces
    (id, tenant, name, owner, spec, spec_hash, backend, isolation, place, idle, ends_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now() + $11::interval)
"""

FIND = f"""
SELECT {_COLUMNS} FROM resprout.workspaces WHERE tenant = $1 AND name = $2
ORDER BY (state <> 'gone') DESC, gone_at DESC LIMIT 1
"""

ALIVE = f"SELECT {_COLUMNS} FROM resprout.workspaces WHERE tenant = $1 AND state <> 'gone' ORDER BY made_at"

ALIVE_IDS = "SELECT id FROM resprout.workspaces WHERE state <> 'gone'"

SET_STATE = "UPDATE resprout.workspaces SET state = $2, used_at = now() WHERE id = $1 AND state <> 'gone' RETURNING id"

# What has expired is not used any more, although nobody has removed it yet.
USE = f"""
UPDATE resprout.workspaces SET used_at = now() WHERE id = $1 AND state <> 'gone' AND NOT {_EXPIRED} RETURNING id
"""

# What was under way in it has an end that nobody will learn.
_LEAVE_IN_DOUBT = """
UPDATE resprout.sandbox_runs r SET state = 'in-doubt', ended_at = now()
FROM gone WHERE r.state IN ('intended', 'started') AND starts_with(r.key, 'workspace/' || gone.id || '/')
"""

BURY = f"""
WITH gone AS (
    UPDATE resprout.workspaces SET state = 'gone', gone_at = now(), gone_why = $2
    WHERE id = $1 AND state <> 'gone' RETURNING id
), doubted AS ({_LEAVE_IN_DOUBT})
SELECT id FROM gone
"""

EXPIRE = f"""
WITH gone AS (
    UPDATE resprout.workspaces SET state = 'gone', gone_at = now(),
        gone_why = CASE WHEN ends_at <= now() THEN 'its time was over' ELSE 'nobody had used it' END
    WHERE state <> 'gone' AND {_EXPIRED} RETURNING id
), doubted AS ({_LEAVE_IN_DOUBT})
SELECT id FROM gone
"""

FORGET = "DELETE FROM resprout.workspaces WHERE state = 'gone' AND gone_at < now() - $1::interval"


@dataclass(frozen=True)
class WorkspaceRow:
    id: UUID
    tenant: str
    name: str
    owner: str
    spec: str  # JSON
    spec_hash: bytes
    backend: str
    isolation: str
    place: str
    state: str
    made_at: datetime
    used_at: datetime
    idle: timedelta
    ends_at: datetime
    gone_at: datetime | None
    gone_why: str | None


@dataclass(frozen=True)
class Room:
    """How many there are."""

    of_tenant: int
    of_all: int


@dataclass(frozen=True)
class WorkspaceRecords:
    open: Callable[[], Awaitable[Database]]

    async def intend(self, row: WorkspaceRow, life: timedelta, per_tenant: int, at_most: int) -> Room | None:
        """None: it is on record now, or one of its name was. Else there is no room, for there are so many."""
        with translated():
            async with (await self.open()).pool.acquire() as connection, connection.transaction():
                await connection.execute(LOCK)
                known = await connection.fetchrow(FIND, row.tenant, row.name)
                if known is not None and known["state"] != "gone":
                    return None
                counted = await connection.fetchrow(COUNT, row.tenant)
                assert counted is not None  # it is a count
                room = Room(**counted)
                if room.of_tenant >= per_tenant or room.of_all >= at_most:
                    return room
                await connection.execute(
                    INTEND,
                    *(row.id, row.tenant, row.name, row.owner, row.spec, row.spec_hash),
                    *(row.backend, row.isolation, row.place, row.idle, life),
                )
        return None

    async def find(self, tenant: str, name: str) -> WorkspaceRow | None:
        """The one that is alive, else the last that is gone."""
        with translated():
            row = await (await self.open()).pool.fetchrow(FIND, tenant, name)
        return WorkspaceRow(**row) if row is not None else None

    async def alive(self, tenant: str) -> list[WorkspaceRow]:
        with translated():
            return [WorkspaceRow(**row) for row in await (await self.open()).pool.fetch(ALIVE, tenant)]

    async def alive_ids(self) -> set[UUID]:
        """Of all tenants."""
        with translated():
            return {row["id"] for row in await (await self.open()).pool.fetch(ALIVE_IDS)}

    async def set_state(self, workspace: UUID, state: str) -> bool:
        with translated():
            return await (await self.open()).pool.fetchval(SET_STATE, workspace, state) is not None

    async def use(self, workspace: UUID) -> bool:
        """False: it is gone, or its time is over."""
        with translated():
            return await (await self.open()).pool.fetchval(USE, workspace) is not None

    async def bury(self, workspace: UUID, why: str) -> None:
        with translated():
            await (await self.open()).pool.execute(BURY, workspace, why)

    async def expire(self) -> int:
        """How many are gone by that; their containers go next."""
        with translated():
            pool = (await self.open()).pool
            await pool.execute(FORGET, KEPT_AS_GONE)
            return len(await pool.fetch(EXPIRE))
