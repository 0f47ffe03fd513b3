from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from resprout.actors.address import AgentAddress
from resprout.actors.shards import SHARDS, SHARED, HostSeen, Lease, Shard, View, plan, slot_of

COUNT = 24


class LeaseMachine(RuleBasedStateMachine):
    """Hosts that follow their plans over a table with compare-and-set, while hosts come, die and drain."""

    def __init__(self) -> None:
        super().__init__()
        self.shards = {n: Shard(n, SHARED, n, 0, None) for n in range(COUNT)}
        self.hosts: dict[UUID, HostSeen] = {}
        self.numbers = 0
        self.epochs = dict.fromkeys(self.shards, 0)

    def view(self) -> View:
        return View(dict(self.hosts), list(self.shards.values()), {})

    @rule()
    def comes(self) -> None:
        if sum(host.alive for host in self.hosts.values()) < 6:
            self.numbers += 1
            host = UUID(int=self.numbers)
            self.hosts[host] = HostSeen(host, str(host), SHARED, "", draining=False, alive=True)

    @rule(data=st.data())
    def dies(self, data: st.DataObject) -> None:
        if self.hosts:
            host = data.draw(st.sampled_from(sorted(self.hosts)))
            self.hosts[host] = replace(self.hosts[host], alive=False)

    @rule(data=st.data())
    def drains(self, data: st.DataObject) -> None:
        if self.hosts:
            host = data.draw(st.sampled_from(sorted(self.hosts)))
            self.hosts[host] = replace(self.hosts[host], draining=True)

    @rule(data=st.data())
    def follows_an_old_view(self, data: st.DataObject) -> None:
        """A host plans, somebody else is quicker, and the compare-and-set decides."""
        living = [host for host in sorted(self.hosts) if self.hosts[host].alive]
        if living:
            old = self.view()
            for host in data.draw(st.permutations(living)):
                self.follow(host, old)

    def follow(self, me: UUID, view: View) -> None:
        wish = plan(me, SHARED, view)
        for shard in wish.claim:
            now = self.shards[shard.id]
            if now.epoch == shard.epoch and (now.host is None or not self.hosts[now.host].alive):
                self.shards[shard.id] = replace(now, epoch=now.epoch + 1, host=me)
        for shard in wish.release:
            now = self.shards[shard.id]
            if now.host == me:
                self.shards[shard.id] = replace(now, host=None)

    @invariant()
    def epochs_only_rise(self) -> None:
        for shard in self.shards.values():
            assert shard.epoch >= self.epochs[shard.id]
            self.epochs[shard.id] = shard.epoch

    def teardown(self) -> None:
        """When nothing happens any more, all shards have a living host, in fair shares, after a few rounds."""
        able = [host for host in sorted(self.hosts) if self.hosts[host].alive and not self.hosts[host].draining]
        if not able:
            return
        for _ in range(3):
            for host in sorted(self.hosts):
                if self.hosts[host].alive:
                    self.follow(host, self.view())
        shares = [sum(shard.host == host for shard in self.shards.values()) for host in able]
        assert sum(shares) == COUNT
        assert max(shares) - min(shares) <= 1


TestLeases = LeaseMachine.TestCase
TestLeases.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@given(
    asked=st.floats(0, 1e6),
    delay=st.floats(0, 100),
    length=st.floats(2, 60),
    drift=st.floats(-0.01, 0.01),
    later=st.floats(0, 200),
)
def test_a_host_stops_before_the_store_lets_others_in(
    asked: float, delay: float, length: float, drift: float, later: float
) -> None:
    """The renewal is done at some time after it was asked for; the host's clock runs a little fast or slow."""
    lease = Lease(timedelta(seconds=length), margin=timedelta(seconds=length / 5))
    lease.renewed(asked)
    store_lets_others_in = delay + length

    if lease.holds(asked + later * (1 + drift)):
        assert later < store_lets_others_in


def test_agents_are_spread_evenly_over_the_shards() -> None:
    counts = [0] * SHARDS
    for n in range(SHARDS * 100):
        counts[slot_of(AgentAddress("tally", str(n)))] += 1

    assert min(counts) > 50
    assert max(counts) < 200
