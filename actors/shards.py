"""Shards: which agents move together between hosts, and which host should have which shard.

Every agent belongs to one slot for ever, by the hash of its address. Kinds with hosts of their own have their own
pool of shards; `shard_of` is the one place where that is decided. Each host works out the same plan from the same
view; a plan is only a wish, the compare-and-set of epochs in the store decides.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TypeVar
from uuid import UUID
from zlib import crc32

from .address import AgentAddress

SHARDS = 128  # in a pool; more than a pool will ever have hosts
SHARED = ""  # the pool of all kinds that do not ask for hosts of their own

Of = TypeVar("Of")


@dataclass(frozen=True, slots=True)
class Shard:
    """One row of the shard table, as last seen. `epoch` rises with every change of hands."""

    id: int
    pool: str
    slot: int
    epoch: int
    host: UUID | None


@dataclass(frozen=True, slots=True)
class HostSeen:
    id: UUID
    name: str
    pool: str
    address: str
    draining: bool
    alive: bool


@dataclass(frozen=True)
class View:
    """Who is there and who has what: a snapshot, a moment old."""

    hosts: Mapping[UUID, HostSeen]
    shards: Sequence[Shard]
    backlog: Mapping[str, tuple[int, int]]  # rows and bytes that wait in the mailboxes of each tenant, on other hosts

    def forsaken(self) -> set[str]:
        """Kinds' own pools that no host lives in."""
        return (
            {shard.pool for shard in self.shards} - {host.pool for host in self.hosts.values() if host.alive} - {SHARED}
        )


@dataclass(frozen=True)
class Plan:
    claim: tuple[Shard, ...]
    release: tuple[Shard, ...]


@lru_cache(maxsize=65_536)
def slot_of(address: AgentAddress) -> int:
    return crc32(f"{address.kind}/{address.key}".encode()) % SHARDS


def shard_of(address: AgentAddress, shards: Mapping[tuple[str, int], Of]) -> Of | None:
    """Of what there is by pool and slot, the agent's: in the pool of its kind if there is one, else in the shared."""
    slot = slot_of(address)
    own = shards.get((address.kind, slot))
    return own if own is not None else shards.get((SHARED, slot))


def plan(me: UUID, pool: str, view: View) -> Plan:
    """Fair shares: each living host of a pool gets the same number of shards, give or take one."""
    living = sorted(host.id for host in view.hosts.values() if host.pool == pool and host.alive and not host.draining)
    shards = [shard for shard in view.shards if shard.pool == pool]
    mine = [shard for shard in shards if shard.host == me]
    if me not in living:
        return Plan((), tuple(mine))
    share, more = divmod(len(shards), len(living))
    quota = share + (living.index(me) < more)
    free = [shard for shard in shards if shard.host is None or _is_gone(shard.host, view)]
    return Plan(tuple(free[: max(0, quota - len(mine))]), tuple(mine[quota:]))


def _is_gone(host: UUID, view: View) -> bool:
    seen = view.hosts.get(host)
    return seen is None or not seen.alive


class Lease:
    """How long a host may believe that its shards are its own, by its own monotonic clock.

    The time begins before the renewal was asked for and ends a margin before Postgres thinks it does: so the host
    stops first, whatever the delays on the way were.
    """

    def __init__(self, length: timedelta, margin: timedelta) -> None:
        self.length = length
        self.margin = margin
        self.ends = float("-inf")

    def renewed(self, asked_at: float) -> None:
        self.ends = asked_at + (self.length - self.margin).total_seconds()

    def holds(self, now: float) -> bool:
        return now < self.ends


def by_slot(shards: Iterable[Shard]) -> dict[tuple[str, int], Shard]:
    return {(shard.pool, shard.slot): shard for shard in shards}
