"""The registry: which kinds and agents there are, what they can do, and how they are. Hosts say it with their pulse."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from .database import Database

STALE_AFTER = timedelta(seconds=30)

KINDS = """
SELECT kind, version, described, last_seen, last_seen < now() - $1::interval AS stale FROM resprout.kinds ORDER BY kind
"""

HOSTS = """
SELECT h.id, h.name, h.pool, h.node, h.address, h.pid, h.version, h.started_at, h.draining,
       h.lease_until - clock_timestamp() AS lease_left, h.lease_until > clock_timestamp() AS alive,
       (SELECT count(*) FROM resprout.shards s WHERE s.host = h.id) AS shards
FROM resprout.hosts h ORDER BY h.started_at
"""

# Agents that have a state, or said something of themselves.
AGENTS = """
SELECT kind, key, d.described, q.reason IS NOT NULL AS quarantined
FROM (SELECT kind, key FROM resprout.agents UNION SELECT kind, key FROM resprout.described_agents) AS known
LEFT JOIN resprout.described_agents d USING (kind, key)
LEFT JOIN resprout.quarantined q USING (kind, key)
WHERE ($1::text IS NULL OR kind = $1) ORDER BY kind, key
"""

Health = Literal["healthy", "stale", "quarantined"]


@dataclass(frozen=True)
class KindRow:
    kind: str
    version: int
    described: Mapping[str, Any]
    last_seen: datetime
    health: Health


@dataclass(frozen=True)
class Found:
    agent: str
    health: Health
    labels: Mapping[str, str]
    capabilities: Sequence[str]


@dataclass(frozen=True)
class Wanted:
    """What is looked for; None and {} leave it open."""

    kind: str | None = None
    capability: str | None = None
    labels: Mapping[str, str] | None = None
    health: Health | None = None

    def fits(self, labels: Mapping[str, str], capabilities: Sequence[str], health: Health) -> bool:
        return (
            (self.capability is None or self.capability in capabilities)
            and (self.labels or {}).items() <= labels.items()
            and self.health in (None, health)
        )


class Registry:
    def __init__(self, database: Database) -> None:
        self.pool = database.pool

    async def kinds(self, wanted: Wanted) -> Sequence[KindRow]:
        """A kind that no host has spoken of for a while is stale."""
        rows = [
            KindRow(
                row["kind"],
                row["version"],
                json.loads(row["described"]),
                row["last_seen"],
                "stale" if row["stale"] else "healthy",
            )
            for row in await self.pool.fetch(KINDS, STALE_AFTER)
        ]
        return [
            row
            for row in rows
            if wanted.kind in (None, row.kind)
            and wanted.fits(row.described["labels"], _names(row.described), row.health)
        ]

    async def find(self, wanted: Wanted, *, limit: int) -> Sequence[Found]:
        """Single agents. What one says of itself comes on top of what its kind says."""
        kinds = {row.kind: row for row in await self.kinds(Wanted())}
        found: list[Found] = []
        async with self.pool.acquire() as connection, connection.transaction():
            async for row in connection.cursor(AGENTS, wanted.kind):
                agent = _found(row, kinds.get(row["kind"]))
                if wanted.fits(agent.labels, agent.capabilities, agent.health):
                    found.append(agent)
                if len(found) == limit:
                    break
        return found

    async def hosts(self) -> Sequence[Mapping[str, Any]]:
        return [dict(row) for row in await self.pool.fetch(HOSTS)]


def _found(row: Any, kind: KindRow | None) -> Found:
    of_kind = kind.described if kind is not None else {"labels": {}, "capabilities": []}
    own = json.loads(row["described"]) if row["described"] else {"labels": {}, "capabilities": []}
    health: Health = kind.health if kind is not None else "stale"
    return Found(
        agent=f"{row['kind']}/{row['key']}",
        health="quarantined" if row["quarantined"] else health,
        labels={**of_kind["labels"], **own["labels"]},
        capabilities=sorted({*_names(of_kind), *_names(own)}),
    )


def _names(described: Mapping[str, Any]) -> list[str]:
    return [capability["name"] for capability in described["capabilities"]]
