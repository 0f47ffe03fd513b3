"""The registry of tools: which versions there are, where they come from, and what was imported.

The invariant: a version means one manifest for ever. Who brings another one under the same version is refused.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .database import Database
from .translated import translated

REGISTER = """
INSERT INTO resprout.tools (name, version, digest, manifest, source, deprecated, seen_at)
SELECT *, now() FROM unnest($1::text[], $2::text[], $3::text[], $4::json[], $5::text[], $6::text[])
ON CONFLICT (name, version) DO UPDATE SET
    manifest = excluded.manifest, source = excluded.source, seen_at = excluded.seen_at
WHERE resprout.tools.digest = excluded.digest
"""

CLASHING = """
SELECT t.name, t.version, t.source FROM resprout.tools t
JOIN unnest($1::text[], $2::text[], $3::text[]) AS given (name, version, digest) USING (name, version)
WHERE t.digest <> given.digest
"""

LIST = """
SELECT name, version, digest, manifest, source, deprecated, registered_at, seen_at FROM resprout.tools
ORDER BY name, version
"""

DEPRECATED = "SELECT name, version, deprecated FROM resprout.tools WHERE deprecated IS NOT NULL"

DEPRECATE = "UPDATE resprout.tools SET deprecated = $3 WHERE name = $1 AND version = $2 RETURNING name"

# Its tools stay on record: were they imported again as something else, they would need another version.
REMOVE_SOURCE = "DELETE FROM resprout.tool_sources WHERE source = $1"

ADD_SOURCE = """
INSERT INTO resprout.tool_sources (source, kind, origin, added_by) VALUES ($1, $2, $3, $4)
ON CONFLICT (source) DO UPDATE SET kind = excluded.kind, origin = excluded.origin, added_by = excluded.added_by,
    added_at = now()
"""

SOURCES = "SELECT source, kind, origin, added_by, added_at FROM resprout.tool_sources ORDER BY source"

SET_QUOTA = """
INSERT INTO resprout.tool_quotas (tenant, principal, tool, calls, per, set_by) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant, principal, tool) DO UPDATE SET
    calls = excluded.calls, per = excluded.per, set_by = excluded.set_by, set_at = now()
"""

REMOVE_QUOTA = """
DELETE FROM resprout.tool_quotas WHERE tenant = $1 AND principal = $2 AND tool = $3 RETURNING tool
"""

QUOTAS = """
SELECT tenant, principal, tool, calls, per, set_by, set_at FROM resprout.tool_quotas ORDER BY tenant, principal, tool
"""


@dataclass(frozen=True)
class RegisteredTool:
    name: str
    version: str
    digest: str
    manifest: str  # JSON
    source: str
    deprecated: str | None
    registered_at: datetime
    seen_at: datetime | None  # when a process that has it started last; None: before that was kept


@dataclass(frozen=True)
class ToolSource:
    """Where tools come from that are no code of this process."""

    source: str
    kind: str
    origin: dict[str, Any]  # what the importer of this kind needs
    added_by: str
    added_at: datetime


@dataclass(frozen=True)
class Registration:
    name: str
    version: str
    digest: str
    manifest: str  # JSON
    source: str
    deprecated: str | None


@dataclass(frozen=True)
class Clash:
    """A version that is registered as another tool than the one that was given."""

    name: str
    version: str
    source: str  # of the registered one

    def __str__(self) -> str:
        return f"{self.name}@{self.version} from {self.source}"


@dataclass(frozen=True)
class ToolRegistry:
    open: Callable[[], Awaitable[Database]]  # a pool, the first time and again

    async def register(self, given: Sequence[Registration]) -> list[Clash]:
        """The registered ones of those that clash stay what they were."""
        names, versions, digests = ([getattr(one, word) for one in given] for word in ("name", "version", "digest"))
        rest = ([getattr(one, word) for one in given] for word in ("manifest", "source", "deprecated"))
        with translated():
            async with (await self.open()).pool.acquire() as connection, connection.transaction():
                await connection.execute(REGISTER, names, versions, digests, *rest)
                clashing = await connection.fetch(CLASHING, names, versions, digests)
        return [Clash(**row) for row in clashing]

    async def every(self) -> list[RegisteredTool]:
        with translated():
            return [RegisteredTool(**row) for row in await (await self.open()).pool.fetch(LIST)]

    async def deprecated(self) -> dict[tuple[str, str], str]:
        """Why, by name and version."""
        with translated():
            rows = await (await self.open()).pool.fetch(DEPRECATED)
        return {(row["name"], row["version"]): row["deprecated"] for row in rows}

    async def deprecate(self, name: str, version: str, why: str | None) -> bool:
        """False: there is no such version. None takes it back."""
        with translated():
            return await (await self.open()).pool.fetchval(DEPRECATE, name, version, why) is not None

    async def add_source(self, source: str, kind: str, origin: dict[str, Any], by: str) -> None:
        with translated():
            await (await self.open()).pool.execute(ADD_SOURCE, source, kind, json.dumps(origin), by)

    async def remove_source(self, source: str) -> None:
        with translated():
            await (await self.open()).pool.execute(REMOVE_SOURCE, source)

    async def sources(self) -> list[ToolSource]:
        with translated():
            rows = await (await self.open()).pool.fetch(SOURCES)
        return [ToolSource(**{**row, "origin": json.loads(row["origin"])}) for row in rows]

    async def set_quota(self, tenant: str, principal: str, tool: str, calls: int, per: timedelta, by: str) -> None:
        with translated():
            await (await self.open()).pool.execute(SET_QUOTA, tenant, principal, tool, calls, per, by)

    async def remove_quota(self, tenant: str, principal: str, tool: str) -> bool:
        with translated():
            pool = (await self.open()).pool
            return await pool.fetchval(REMOVE_QUOTA, tenant, principal, tool) is not None

    async def quotas(self) -> list[dict[str, Any]]:
        with translated():
            return [dict(row) for row in await (await self.open()).pool.fetch(QUOTAS)]
