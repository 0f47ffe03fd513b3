"""A host of which there is only the claim: enrolled in a store, with all shards of its pool, and nothing that runs."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from resprout.actors.address import AgentAddress
from resprout.actors.ids import new_id
from resprout.actors.shards import SHARED, Shard, View, by_slot, shard_of
from resprout.actors.store import Held, HostRecord, Store

LEASE = timedelta(seconds=30)


@dataclass
class Holder:
    store: Store
    id: UUID
    view: View
    held: dict[int, Held]

    def shard_of(self, address: AgentAddress) -> Shard:
        shard = shard_of(address, by_slot(self.view.shards))
        assert shard is not None
        return shard

    def held_of(self, address: AgentAddress) -> Held:
        return self.held[self.shard_of(address).id]

    async def look(self) -> None:
        """Claims what is free, as a host does with each pulse."""
        self.view = await self.store.renew(self.id, LEASE, {})
        mine = {shard.id: Held(shard.id, shard.epoch) for shard in self.view.shards if shard.host == self.id}
        self.held = {one.id: one for one in self.held.values() if mine.get(one.id) == one}
        pool = self.view.hosts[self.id].pool
        free = [shard for shard in self.view.shards if shard.pool == pool and shard.id not in self.held]
        living = [host.id for host in self.view.hosts.values() if host.alive and host.id != self.id]
        self.held |= {one.id: one for one in await self.store.claim(self.id, free, living)}


async def holder(store: Store, pool: str = SHARED) -> Holder:
    """Enrolled, with every shard of the pool that no living host has."""
    host = new_id()
    await store.enrol(HostRecord(host, f"holder-{host}", pool, f"{host}:1", "node", 1, "test"), LEASE)
    new = Holder(store, host, View({}, (), {}), {})
    await new.look()
    return new
