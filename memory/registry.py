"""The registry: which kinds, instances and hosts there are, what they can do, and how they are.

Hosts say their kinds every few seconds (`Leases.say_kinds`); an instance may say more about itself. Health is worked
out when somebody asks, from leases and quarantine: nothing has to notice that a host died for the answer to be right.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from ..actors.address import AgentAddress
from ..actors.shards import shard_of
from .database import Database
from .translated import translated

Health = Literal["healthy", "stale", "quarantined"]

STALE_AFTER = timedelta(seconds=30)
PAGE = 1_000

KINDS = """
SELECT kind, version, described, last_seen, last_seen < now() - $4::interval AS stale FROM resprout.kinds
WHERE ($1::text IS NULL OR kind = $1)
  AND ($2::text IS NULL OR described->'capabilities' @> jsonb_build_array(jsonb_build_object('name', $2::text)))
  AND described->'labels' @> $3::jsonb
ORDER BY kind
"""

# Agents that were set aside in their first turn have no state.
INSTANCES = """
WITH known AS (
    SELECT kind, key, version, updated_at FROM resprout.agents
    UNION ALL
    SELECT kind, key, 0, since FROM resprout.quarantined q
    WHERE NOT EXISTS (SELECT FROM resprout.agents a WHERE a.kind = q.kind AND a.key = q.key)
)
SELECT kind, key, known.version, known.updated_at, reason,
       coalesce(k.described->'labels', '{}') || coalesce(d.described->'labels', '{}') AS labels,
       coalesce(k.described->'capabilities', '[]') || coalesce(d.described->'capabilities', '[]') AS capabilities
FROM known
LEFT JOIN resprout.kinds k USING (kind)
LEFT JOIN resprout.described_agents d USING (kind, key)
LEFT JOIN resprout.quarantined USING (kind, key)
WHERE (kind, key) > ($1, $2) AND ($3::text IS NULL OR kind = $3)
  AND ($4::text IS NULL OR coalesce(k.described->'capabilities', '[]') || coalesce(d.described->'capabilities', '[]')
                           @> jsonb_build_array(jsonb_build_object('name', $4::text)))
  AND coalesce(k.described->'labels', '{}') || coalesce(d.described->'labels', '{}') @> $5::jsonb
  AND ($6::boolean IS NULL OR (reason IS NOT NULL) = $6)
ORDER BY kind, key LIMIT $7
"""

LED = """
SELECT s.pool, s.slot, h.id IS NOT NULL AS led FROM resprout.shards s
LEFT JOIN resprout.hosts h ON h.id = s.host AND h.lease_until > clock_timestamp()
"""

HOSTS = """
SELECT h.id, h.name, h.node, h.pool, h.address, h.pid, h.version, h.started_at, h.draining,
       h.lease_until - clock_timestamp() AS lease_left,
       (SELECT count(*) FROM resprout.shards s WHERE s.host = h.id) AS shards
FROM resprout.hosts h ORDER BY h.name, h.started_at
"""


@dataclass(frozen=True)
class KindRow:
    kind: str
    version: int
    described: dict[str, Any]
    last_seen: datetime
    stale: bool  # no host has said for a while that it runs this kind


@dataclass(frozen=True)
class Instance:
    agent: str
    health: Health
    reason: str | None  # of the quarantine
    turns: int
    updated_at: datetime
    labels: dict[str, str]
    capabilities: list[str]


@dataclass(frozen=True)
class HostRow:
    id: UUID
    name: str
    node: str
    pool: str
    address: str
    pid: int
    version: str
    started_at: datetime
    draining: bool
    lease_left: timedelta
    shards: int

    @property
    def alive(self) -> bool:
        return self.lease_left > timedelta(0)


class Registry:
    def __init__(self, database: Database) -> None:
        self.pool = database.pool

    async def kinds(
        self, *, kind: str | None = None, capability: str | None = None, labels: Mapping[str, str] | None = None
    ) -> Sequence[KindRow]:
        with translated():
            rows = await self.pool.fetch(KINDS, kind, capability, json.dumps(labels or {}), STALE_AFTER)
        return [KindRow(**{**row, "described": json.loads(row["described"])}) for row in rows]

    async def find(
        self,
        *,
        kind: str | None = None,
        capability: str | None = None,
        labels: Mapping[str, str] | None = None,
        health: Health | None = None,
        after: tuple[str, str] = ("", ""),
        limit: int = 100,
    ) -> Sequence[Instance]:
        """Instances in the order of their addresses. Ephemeral agents leave no trace: look for their kinds."""
        quarantined = None if health is None else health == "quarantined"
        found: list[Instance] = []
        with translated():
            led = {(row["pool"], row["slot"]): row["led"] for row in await self.pool.fetch(LED)}
            while len(found) < limit:
                rows = await self.pool.fetch(
                    INSTANCES, *after, kind, capability, json.dumps(labels or {}), quarantined, PAGE
                )
                instances = [_instance(row, led) for row in rows]
                found += [one for one in instances if health in (None, one.health)]
                if len(rows) < PAGE:
                    break
                after = (rows[-1]["kind"], rows[-1]["key"])
        return found[:limit]

    async def hosts(self) -> Sequence[HostRow]:
        with translated():
            return [HostRow(**row) for row in await self.pool.fetch(HOSTS)]


def _instance(row: Any, led: Mapping[tuple[str, int], bool]) -> Instance:
    address = AgentAddress(row["kind"], row["key"])
    capabilities = {one["name"] for one in json.loads(row["capabilities"])}
    return Instance(
        str(address),
        _health(address, row["reason"], led),
        row["reason"],
        row["version"],
        row["updated_at"],
        json.loads(row["labels"]),
        sorted(capabilities),
    )


def _health(address: AgentAddress, reason: str | None, led: Mapping[tuple[str, int], bool]) -> Health:
    if reason is not None:
        return "quarantined"
    return "healthy" if shard_of(address, led) else "stale"
