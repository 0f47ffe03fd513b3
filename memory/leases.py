"""Hosts and their shards: who lives, who has what, under which epoch.

Two things show that a host is gone: its lease ran out, or its session ended, which Postgres knows the moment that a
killed process' socket closes. Taking a shard from a host that is not gone after all is safe (its writes are fenced),
only a waste; so the second sign counts only when the host has missed pulses as well.

A session may end before its host does. The host then opens another, and says with each pulse that it wants the lock
until it has it: Postgres may learn of the end of the old session late, and until then the lock is still taken.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from ..actors.shards import HostSeen, Shard, View
from ..actors.store import Held, HostRecord, LeaseLost
from .pools import LOCK_CLASS, open_pool
from .rooms import Shards
from .translated import translated

# A host without its session is gone when it has not renewed its lease for so long.
SILENCE = timedelta(seconds=0.8)
FORGOTTEN_AFTER = timedelta(days=1)

ENROL = """
INSERT INTO resprout.hosts (id, name, pool, address, node, pid, version, lease_until)
VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp() + $8::interval) RETURNING slot
"""

RENEW = """
UPDATE resprout.hosts SET lease_until = clock_timestamp() + $2::interval, waiting = $3::jsonb
WHERE id = $1 AND lease_until > clock_timestamp() RETURNING id
"""

TAKE_LOCK = "SELECT pg_try_advisory_lock($1, $2)"

# After a restart of Postgres nobody has a session for a moment: then only leases count. The locks of the server's other
# databases are in pg_locks too.
LIVING = f"""
SELECT h.*, h.lease_until > clock_timestamp() AND (
    EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.classid = {LOCK_CLASS}
            AND l.objid = h.slot AND l.granted
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
    OR h.lease_until > clock_timestamp() + $1::interval - $2::interval
    OR pg_postmaster_start_time() > clock_timestamp() - $1::interval
) AS alive
FROM resprout.hosts h
"""

SHARD_ROWS = "SELECT id, pool, slot, epoch, host FROM resprout.shards ORDER BY id"

CLAIM = """
UPDATE resprout.shards s SET host = $1, epoch = s.epoch + 1
FROM (SELECT s.id FROM resprout.shards s
      JOIN unnest($2::integer[], $3::bigint[]) AS wanted (id, epoch) USING (id)
      WHERE s.epoch = wanted.epoch AND (s.host IS NULL OR s.host <> ALL ($4::uuid[]))
      ORDER BY s.id FOR UPDATE OF s) AS free
WHERE s.id = free.id
RETURNING s.id, s.epoch
"""

# Whoever had these shards in memory has them no longer.
UNLOAD = "UPDATE resprout.mailbox SET in_memory = false, began_at = NULL WHERE shard = ANY($1) AND in_memory"

# The host died, maybe because of one of these. All are suspect from now on, which costs them a write as their turns
# begin; only one whose turn had begun is to blame. What waited, or belongs to an agent that was set aside, never is.
SUSPECT = """
UPDATE resprout.mailbox
SET in_memory = false, suspect = true, began_at = NULL, attempts = attempts + (began_at IS NOT NULL)::integer,
    error = CASE WHEN began_at IS NULL THEN error ELSE 'its host died in its turn' END
WHERE shard = ANY($1) AND in_memory
"""

RELEASE = """
UPDATE resprout.shards s SET host = NULL FROM unnest($2::integer[], $3::bigint[]) AS given (id, epoch)
WHERE s.id = given.id AND s.epoch = given.epoch AND s.host = $1
"""

PRUNE = "DELETE FROM resprout.hosts WHERE lease_until < clock_timestamp() - $1::interval"

SEEN_KINDS = """
INSERT INTO resprout.kinds (kind, described, version)
SELECT kind, described::jsonb, version
FROM unnest($1::text[], $2::text[], $3::integer[]) AS k (kind, described, version)
ON CONFLICT (kind) DO UPDATE SET described = excluded.described, version = excluded.version, last_seen = now()
WHERE resprout.kinds.version <= excluded.version
"""

SEEN_MESSAGES = """
INSERT INTO resprout.messages_taken (kind, type) SELECT * FROM unnest($1::text[], $2::text[])
ON CONFLICT (kind, type) DO UPDATE SET last_seen = now()
"""

TAKEN_WITHIN = """
SELECT EXISTS (SELECT FROM resprout.messages_taken t
               WHERE t.kind = asked.kind AND t.type = asked.type AND t.last_seen > now() - $1::interval) AS taken
FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS asked (kind, type, n) ORDER BY n
"""

FORGET_MESSAGES = "DELETE FROM resprout.messages_taken WHERE last_seen < now() - $1::interval"

FORGET_KINDS = "DELETE FROM resprout.kinds WHERE last_seen < now() - $1::interval"


class Leases:
    pool: "asyncpg.Pool[asyncpg.Record]"
    shards: Shards
    session: Any = None
    slot: int | None = None
    locked: bool = False  # whether the session holds the lock of our slot

    async def enrol(self, host: HostRecord, lease: timedelta) -> None:
        with translated():
            session = await self._session()
            async with session.transaction():
                await session.execute("DELETE FROM resprout.hosts WHERE id = $1", host.id)  # a try before this one
                self.slot = await session.fetchval(
                    ENROL, host.id, host.name, host.pool, host.address, host.node, host.pid, host.version, lease
                )
                self.locked = await session.fetchval(TAKE_LOCK, LOCK_CLASS, self.slot)
                await open_pool(session, host.pool)
            await session.execute(PRUNE, FORGOTTEN_AFTER)

    async def renew(self, host: UUID, lease: timedelta, waiting: Mapping[str, tuple[int, int]]) -> View:
        try:
            with translated():
                hosts, shards = await self._renew(host, lease, waiting)
        except asyncio.CancelledError:  # nobody waits any longer: the session hangs, the next try needs another
            self.abandon()
            raise
        view = View(
            {row["id"]: HostSeen(*(row[name] for name in HostSeen.__slots__)) for row in hosts},
            [Shard(**row) for row in shards],
            _backlog(row for row in hosts if row["id"] != host and row["alive"]),
        )
        self.shards.learn(view)
        return view

    async def _renew(self, host: UUID, lease: timedelta, waiting: Mapping[str, tuple[int, int]]) -> tuple[Any, Any]:
        """The rows of hosts and of shards."""
        session = await self._session()
        if await session.fetchval(RENEW, host, lease, json.dumps(waiting)) is None:
            raise LeaseLost(f"host {host} is not in the list of living hosts any more")
        return await session.fetch(LIVING, lease, SILENCE), await session.fetch(SHARD_ROWS)

    async def drain(self, host: UUID) -> None:
        with translated():
            await self.pool.execute("UPDATE resprout.hosts SET draining = true WHERE id = $1", host)

    async def retire(self, host: UUID) -> None:
        with translated():
            await self.pool.execute("DELETE FROM resprout.hosts WHERE id = $1", host)

    async def claim(self, host: UUID, shards: Sequence[Shard], living: Sequence[UUID]) -> list[Held]:
        taken_over = {shard.id for shard in shards if shard.host is not None}
        with translated():
            session = await self._session()
            async with session.transaction():
                rows = await session.fetch(
                    CLAIM, host, [shard.id for shard in shards], [shard.epoch for shard in shards], list(living)
                )
                held = [Held(row["id"], row["epoch"]) for row in rows]
                if died := [one.id for one in held if one.id in taken_over]:
                    await session.execute(SUSPECT, died)
                await session.execute(UNLOAD, [one.id for one in held])
        return held

    async def release(self, host: UUID, held: Sequence[Held]) -> None:
        with translated():
            await self.pool.execute(RELEASE, host, [one.id for one in held], [one.epoch for one in held])

    async def say_kinds(self, described: Mapping[str, tuple[int, Mapping[str, Any]]]) -> None:
        """That this host runs these kinds, each with its version and description. Kinds unseen for long go."""
        # In one order for all hosts: they write the same rows at the same time.
        taken = sorted((kind, name) for kind, (_, about) in described.items() for name in about.get("handlers", ()))
        with translated():
            await self.pool.execute(
                SEEN_KINDS,
                list(described),
                [json.dumps(about) for _, about in described.values()],
                [version for version, _ in described.values()],
            )
            await self.pool.execute(SEEN_MESSAGES, [kind for kind, _ in taken], [name for _, name in taken])
            await self.pool.execute(FORGET_KINDS, FORGOTTEN_AFTER)
            await self.pool.execute(FORGET_MESSAGES, FORGOTTEN_AFTER)

    async def taken_within(self, time: timedelta, asked: Sequence[tuple[str, str]]) -> list[bool]:
        with translated():
            rows = await self.pool.fetch(TAKEN_WITHIN, time, [kind for kind, _ in asked], [name for _, name in asked])
        return [row["taken"] for row in rows]

    async def secret(self) -> str:
        with translated():
            secret: str = await self.pool.fetchval("SELECT secret FROM resprout.cluster")
            return secret

    def abandon(self) -> None:
        """Ends the session at once, as the end of the process would."""
        session, self.session, self.locked = self.session, None, False
        if session is not None:
            with suppress(asyncpg.InterfaceError):  # it ended by itself, and the pool has taken it back
                session.terminate()

    async def _session(self) -> Any:
        """A connection of its own, whose end tells the others that this host has ended."""
        if self.session is not None and _is_over(self.session):
            self.abandon()
        if self.session is None:
            self.session = await self.pool.acquire()
        if self.slot is not None and not self.locked:
            self.locked = await self.session.fetchval(TAKE_LOCK, LOCK_CLASS, self.slot)
        return self.session


def _is_over(session: Any) -> bool:
    try:
        return bool(session.is_closed())
    except asyncpg.InterfaceError:  # the pool has taken it back; such a one does not even say that it is closed
        return True


def _backlog(hosts: Any) -> dict[str, tuple[int, int]]:
    total: dict[str, tuple[int, int]] = {}
    for row in hosts:
        for tenant, (rows, size) in json.loads(row["waiting"]).items():
            before = total.get(tenant, (0, 0))
            total[tenant] = (before[0] + rows, before[1] + size)
    return total
