"""A host's claim to its shards: enrols, renews its lease, claims and releases, and gives up when it must.

The rule of all: a host that cannot show that its lease holds, by its own monotonic clock, writes nothing and ends.
The fence in the store would refuse its writes anyway; ending early is what lets its agents grow back elsewhere
without two of them being seen.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from .delivery import Delivery
from .errors import ResproutError
from .kinds import shares_hosts
from .logger import get_logger
from .shards import SHARED, Plan, Shard, View, plan
from .store import Held, HostRecord, LeaseLost, Store
from .waiting import wait_until_set

log = get_logger("resprout.host")

BETWEEN_TRIES = 0.1
TRIES_IN_A_LEASE = 3
LAST_TURNS_SECONDS = 10.0  # what the turns that run in a doubted shard may take before it is claimed anew
LONG_TURN_SECONDS = 1.0  # a shard in which a turn has lasted so long is not left yet
# But for so long at most: an agent that is always in long turns would keep its shard here for ever.
LONGEST_STAY = {"rebalancing": 60.0, "draining": 10.0}


class Tenure:
    def __init__(
        self,
        record: HostRecord,
        store: Store,
        delivery: Delivery,
        *,
        pulse: timedelta,
        seen: Callable[[View], None] = lambda _view: None,
    ) -> None:
        self.record = record
        self.store = store
        self.delivery = delivery
        self.station = delivery.station
        self.holdings = delivery.holdings
        self.lease = delivery.station.lease
        self.pulse = pulse
        self.seen = seen
        self.nudged = asyncio.Event()
        self.draining = False
        self.leaving: set[int] = set()
        self.left: list[Held] = []
        self.staying: dict[Held, float] = {}  # that shall go, and since when
        self.ending: set[Held] = set()  # doubted ones whose last turns are waited for
        self.ended: set[Held] = set()  # those of them that waited long enough
        delivery.holdings.on_doubt = self.nudge

    async def run(self) -> None:
        """Until drained. Raises LeaseLost."""
        await self._enrol()
        while True:
            view = await self._renew()
            self.delivery.see(view)
            self.seen(view)
            if self.draining and not view.hosts[self.record.id].draining:
                await self._say_draining()
            wish = plan(self.record.id, self.record.pool, view)
            await self._follow(wish, view)
            await self._dissolve(view.forsaken())
            if self.draining and not self.holdings:
                await self._retire()
                return
            await self._pause()

    def nudge(self) -> None:
        """Something changed hands: look now instead of at the next pulse."""
        self.nudged.set()

    async def drain(self) -> None:
        self.draining = True
        self.nudge()

    async def _enrol(self) -> None:
        asked = self.station.now()
        while True:
            try:
                await self.store.enrol(self.record, self.lease.length)
                self.lease.renewed(asked)
                return
            except ResproutError as error:
                log.warning("cannot enrol yet", error=str(error))
                await asyncio.sleep(self.pulse.total_seconds())
                asked = self.station.now()

    async def _renew(self) -> View:
        patience = self.lease.length.total_seconds() / TRIES_IN_A_LEASE  # one call that hangs shall not cost the lease
        while True:
            asked = self.station.now()
            try:
                async with asyncio.timeout(min(max(self.lease.ends - asked, 0.001), patience)):
                    view = await self.store.renew(self.record.id, self.lease.length, self.delivery.backlog.by_tenant())
            except (ResproutError, TimeoutError) as error:
                if not self.lease.holds(self.station.now()):
                    raise LeaseLost("the lease ended before it could be renewed") from None
                log.warning("lease not renewed yet", error=str(error) or type(error).__name__)
                await asyncio.sleep(BETWEEN_TRIES)
                continue
            if not self.lease.holds(self.station.now()):
                raise LeaseLost("the lease ended while it was being renewed")
            self.lease.renewed(asked)
            return view

    async def _say_draining(self) -> None:
        """Until a view shows it: plans, also our own, go by that."""
        try:
            await self.store.drain(self.record.id)
        except ResproutError as error:
            log.warning("not known to be draining yet", error=str(error))
        else:
            self.nudge()

    async def _retire(self) -> None:
        try:
            await self.store.retire(self.record.id)
        except ResproutError as error:  # it has nothing any more, and is forgotten when its lease ends
            log.warning("not taken out of the list of hosts", error=str(error))

    async def _follow(self, wish: Plan, view: View) -> None:
        if wish.claim and not self.draining:
            await self._claim(list(wish.claim), [host.id for host in view.hosts.values() if host.alive])
        await self._claim_anew(view)
        release = self._to_release(len(wish.release), view)
        now = self.station.now()
        self.staying = {held: self.staying.get(held, now) for held in release}
        for held, since in self.staying.items():
            if not self._stays(held, now - since):
                self.leaving.add(held.id)
                self.station.background.spawn(self._leave(held))
        await self._give_back()

    def _to_release(self, number: int, view: View) -> list[Held]:
        """How many is for the plan to say; which, for us: rather those in which nobody works. From the moment that a
        shard begins to leave until the last turn in it has ended, none of its agents can be reached."""
        mine = [held for one in view.shards if one.host == self.record.id and (held := self.holdings.under(one.id))]
        mine.sort(
            key=lambda held: (held.id not in self.leaving, self.delivery.handling.longest_turn(held) > 0, -held.id)
        )
        return [held for held in mine[:number] if held.id not in self.leaving]

    def _stays(self, held: Held, seconds: float) -> bool:
        """Whether a shard that shall go serves its agents until a long turn has ended."""
        longest = LONGEST_STAY["draining" if self.draining else "rebalancing"]
        return seconds < longest and self.delivery.handling.longest_turn(held) > LONG_TURN_SECONDS

    async def _claim(self, wanted: list[Shard], living: list[UUID]) -> None:
        try:
            held = await self.store.claim(self.record.id, wanted, living)
        except ResproutError as error:  # what was claimed all the same shows in the next view
            log.warning("shards not claimed", error=str(error))
            return
        if held:
            log.info("shards claimed", shards=len(held))
            for one in held:
                if (before := self.holdings.under(one.id)) is not None:
                    self.delivery.lost(before)
            self.delivery.own(held)

    async def _claim_anew(self, view: View) -> None:
        """Takes what is doubted from ourselves, under a new epoch: nothing counts as in memory then, and whatever
        is still under way to the store finds itself fenced. The turns that run have done nothing wrong: they end
        first."""
        doubted = {held for held in self.holdings.which_are("doubted") if held.id not in self.leaving}
        self.ended &= doubted
        for held in doubted - self.ending - self.ended:
            if self.delivery.handling.longest_turn(held) > 0:
                self.ending.add(held)
                self.station.background.spawn(self._end_turns(held))
        doubted -= self.ending
        shards = [replace(shard, host=None) for shard in view.shards if Held(shard.id, shard.epoch) in doubted]
        living = [host.id for host in view.hosts.values() if host.alive and host.id != self.record.id]
        if shards:
            await self._claim(shards, living)

    async def _end_turns(self, held: Held) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_TURNS_SECONDS):
                await self.delivery.population.end_turns(held)
        self.ending.discard(held)
        self.ended.add(held)
        self.nudge()

    async def _dissolve(self, forsaken: set[str]) -> None:
        """Pools whose hosts are gone, of kinds that the code here says share hosts: nobody else would serve them."""
        for pool in forsaken:
            if self.record.pool != SHARED or not shares_hosts(pool):
                continue
            try:
                if await self.store.dissolve(pool):
                    log.info("a kind shares hosts again", kind=pool)
                    self.nudge()
            except ResproutError as error:
                log.warning("a pool without hosts stays for now", kind=pool, error=str(error))

    async def _leave(self, held: Held) -> None:
        await self.delivery.leave(held)
        self.left.append(held)
        self.nudge()

    async def _give_back(self) -> None:
        """In step with the renewals, so that a view never shows a shard as ours that we have just given back."""
        left, self.left = self.left, []
        if not left:
            return
        try:
            await self.store.release(self.record.id, left)
        except ResproutError as error:
            log.warning("shards not released yet", error=str(error))
            self.left = left + self.left
            return
        for held in left:
            self.delivery.left(held)
            self.leaving.discard(held.id)

    async def _pause(self) -> None:
        await wait_until_set(self.nudged, self.pulse.total_seconds())
        self.nudged.clear()
