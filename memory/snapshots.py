"""Snapshots of workspaces, in parts: a large one is never in memory as a whole.

The invariant: one that is on record is whole. Its parts and its record commit together, and go together.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg

from .database import Database
from .translated import translated

PART_BYTES = 1 << 20

COUNT = "SELECT count(*) FROM resprout.workspace_snapshots WHERE tenant = $1"

PUT_PART = "INSERT INTO resprout.workspace_snapshot_parts (snapshot, n, content) VALUES ($1, $2, $3)"

# Last: the parts wait for it until the transaction ends.
PUT = """
INSERT INTO resprout.workspace_snapshots (tenant, name, id, workspace, spec, size) VALUES ($1, $2, $3, $4, $5, $6)
"""

_COLUMNS = "tenant, name, id, workspace, spec, size, taken_at"
FIND = f"SELECT {_COLUMNS} FROM resprout.workspace_snapshots WHERE tenant = $1 AND name = $2"
LIST = f"SELECT {_COLUMNS} FROM resprout.workspace_snapshots WHERE tenant = $1 ORDER BY taken_at DESC"
PART = "SELECT content FROM resprout.workspace_snapshot_parts WHERE snapshot = $1 AND n = $2"
REMOVE = "DELETE FROM resprout.workspace_snapshots WHERE tenant = $1 AND name = $2 RETURNING id"


@dataclass(frozen=True)
class Snapshot:
    tenant: str
    name: str
    id: UUID
    workspace: str
    spec: str  # JSON, of the workspace
    size: int
    taken_at: datetime


class NameTaken(Exception):
    """There is one of this name."""


@dataclass(frozen=True)
class SnapshotRecords:
    open: Callable[[], Awaitable[Database]]

    async def count(self, tenant: str) -> int:
        with translated():
            return int(await (await self.open()).pool.fetchval(COUNT, tenant))

    async def put(self, tenant: str, name: str, workspace: str, spec: str, content: AsyncIterator[bytes]) -> None:
        """Raises NameTaken. Whoever is killed in between leaves nothing."""
        snapshot, size, n = uuid4(), 0, 0
        with translated():
            async with (await self.open()).pool.acquire() as connection, connection.transaction():
                async for part in _parts(content):
                    await connection.execute(PUT_PART, snapshot, n, part)
                    size, n = size + len(part), n + 1
                try:
                    await connection.execute(PUT, tenant, name, snapshot, workspace, spec, size)
                except asyncpg.UniqueViolationError:
                    raise NameTaken from None

    async def find(self, tenant: str, name: str) -> Snapshot | None:
        with translated():
            row = await (await self.open()).pool.fetchrow(FIND, tenant, name)
        return Snapshot(**row) if row is not None else None

    async def list(self, tenant: str) -> list[Snapshot]:
        with translated():
            return [Snapshot(**row) for row in await (await self.open()).pool.fetch(LIST, tenant)]

    async def content(self, snapshot: UUID) -> AsyncIterator[bytes]:
        n = 0
        while True:
            with translated():
                part = await (await self.open()).pool.fetchval(PART, snapshot, n)
            if part is None:
                return
            yield part
            n += 1

    async def remove(self, tenant: str, name: str) -> bool:
        with translated():
            return await (await self.open()).pool.fetchval(REMOVE, tenant, name) is not None


async def _parts(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    held = bytearray()
    async for piece in content:
        held += piece
        while len(held) >= PART_BYTES:
            yield bytes(held[:PART_BYTES])
            del held[:PART_BYTES]
    if held:
        yield bytes(held)
