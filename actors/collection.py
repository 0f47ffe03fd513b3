"""Mail that waits in the store comes into memory.

The invariant: a row that was collected counts as in memory here, under the epoch of its shard. It is put into its
agent's mailbox, or it is buried, or the shard is lost or doubted, and then the row is collected anew under another
epoch. And nothing comes into memory ahead of older mail: whoever asks waits until the store's mail is here.
"""

import asyncio
from collections.abc import Sequence

from .activation import Activation
from .address import AgentAddress
from .backlog import Backlog
from .burial import Burial
from .errors import AgentFailed, ResproutError
from .holdings import Holdings
from .kinds import agent_class
from .logger import get_logger
from .mailbox import Entry
from .population import Population
from .station import Station
from .store import Collected, Held, Unreadable
from .strangers import Strangers
from .waiting import wait_until_set

log = get_logger("resprout.host")

LOOK_EVERY = 1.0  # the safety net under wakes that are lost
SOON = 0.05
PAGE = 1_000
# A message may be innocent of the death of the host that it was in its turn on; not of so many.
FEWEST_DEATHS = 3


class Collection:
    def __init__(
        self,
        station: Station,
        holdings: Holdings,
        population: Population,
        backlog: Backlog,
        burial: Burial,
        strangers: Strangers,
    ) -> None:
        self.station = station
        self.limits = station.limits
        self.background = station.background
        self.holdings = holdings
        self.population = population
        self.backlog = backlog
        self.burial = burial
        self.strangers = strangers
        self.asks: list[tuple[Activation, Entry]] = []  # that wait until the store's mail is in memory

    async def run(self) -> None:
        while True:
            await wait_until_set(self.backlog.mail_waits, LOOK_EVERY)
            self.backlog.mail_waits.clear()
            await self._collect_for_asks()
            while not await self.collect(list(self.holdings.which_are("open"))):
                if self.backlog.behind:
                    break

    # From the store.

    def ask_after_mail(self, activation: Activation, entry: Entry) -> None:
        """The asker may have told something before that is in the store and not here yet: it shall not be overtaken.

        An agent's tells are written by its own commits, and the host hears of them later than of its asks.
        """
        activation.mailbox.know(entry)
        self.backlog.count(entry)
        self.asks.append((activation, entry))
        self.backlog.mail_waits.set()

    async def _collect_for_asks(self) -> None:
        """All mail of those who are asked, whether there is room or not: the asker may be what keeps it full."""
        asks, self.asks = self.asks, []
        asked = [activation for activation, _ in asks if self.holdings.kept(activation.address) == activation.held]
        held, addresses = {activation.held for activation in asked}, {activation.address for activation in asked}
        taken: int | None = PAGE
        while asked and taken == PAGE and self.station.may_write():
            taken = await self._take_from_store(list(held), PAGE, list(addresses))
        if asked and (taken is None or taken == PAGE):
            return  # the lease or the shards are lost, and with them who waits
        for activation, entry in asks:
            if activation.mailbox.find(entry.envelope.id) is entry:
                activation.mailbox.line_up(entry)
                activation.start()

    async def collect(self, held: Sequence[Held]) -> bool:
        """Whether there is no more to collect."""
        room = self.limits.mail_in_memory - self.backlog.mail
        if room <= 0:
            self.backlog.behind = True
            return False
        held = [one for one in held if not self.holdings.are(one, "doubted")]
        if not held or not self.station.may_write():
            return True
        satisfied = {one for one in self.backlog.deep if self.backlog.has_its_share(one)}
        hungry = self.backlog.deep - satisfied
        but = [activation.address for activation in satisfied]
        rows = await self._take_from_store(held, most := min(PAGE, room, self.limits.mail_of_one_agent), but=but)
        if rows is None:
            await asyncio.sleep(LOOK_EVERY / 5)
            return False
        # Of all for which messages are taken in: none of them may have older mail in the store, or all is behind.
        if rows < most and self.holdings.which_are("open") <= set(held):
            self.backlog.behind = False
        if rows < most:
            self.backlog.caught_up(activation for activation in hungry if activation.held in held)
        return rows < most

    async def _take_from_store(
        self,
        held: Sequence[Held],
        most: int,
        only: Sequence[AgentAddress] | None = None,
        but: Sequence[AgentAddress] = (),
    ) -> int | None:
        """How many messages were taken into memory; None when that is not known."""
        try:
            rows = await self.station.store.collect(self.station.host, held, most, only, but)
        except ResproutError as error:
            self.holdings.doubt(held)
            log.warning("mail not collected yet", error=str(error))
            return None
        for row in rows:
            try:
                self._take_in(row)
            except Exception:  # the others come into memory all the same
                log.exception("mail not taken in", agent=str(row.address))
        return len(rows)

    # Into memory.

    def _take_in(self, row: Collected | Unreadable, doubtful: bool = False) -> None:
        if self.holdings.kept(row.address) != row.held:
            return  # lost in the meantime: whoever has it next collects the row again
        if isinstance(row, Unreadable):
            self.background.spawn(self.burial.bury_unread(row))
            return
        try:
            kind = agent_class(row.address.kind)
        except ResproutError as error:
            self.strangers.keep(row, error)
            return
        activation = self.population.at(row.address, kind, row.held)
        activation.left_out.discard(row.envelope.id)
        known = activation.mailbox.find(row.envelope.id)
        if known is None:
            self._take_in_new(row, activation, doubtful)
        elif known.stored:  # a person released or replayed it
            activation.forget_state()
            activation.mailbox.resume(known)
            activation.start()
        else:  # it is being asked; then the row is not needed, or next
            self.background.later(SOON, self._take_in, row, True)

    def _take_in_new(self, row: Collected, activation: Activation, doubtful: bool) -> None:
        entry = Entry(row.envelope, stored=True, attempts=row.attempts, suspect=row.suspect, doubtful=doubtful)
        if row.attempts >= max(activation.kind.options.supervision.attempts, FEWEST_DEATHS):
            entry.refused = AgentFailed(
                f"{row.address} was in the turn of `{row.envelope.type}` when its host died, again and again."
            )
        self.put(activation, entry)
        if activation.closing:
            return
        wait = (row.due - self.station.clock()).total_seconds() if row.due is not None else 0
        if wait > 0:
            activation.withhold(entry)
            self.background.later(wait, activation.try_again, entry)

    def put(self, activation: Activation, entry: Entry) -> None:
        """What is stored."""
        if activation.closing:
            activation.left_over.append(entry)
            return
        # The message came twice, and this is the row of the second one, put after the commit of the first, of which we
        # are yet to hear; its own commit sweeps it out.
        if activation.mailbox.find(entry.envelope.id) is not None:
            self.background.later(SOON, self.put_at, activation.address, entry)
            return
        activation.mailbox.put(entry)
        self.backlog.count(entry)
        if activation.mailbox.rows >= self.limits.mail_of_one_agent:
            self.backlog.left_behind(activation)
        activation.start()

    def put_at(self, address: AgentAddress, entry: Entry) -> None:
        """With whatever activation the agent has now, if the shard is ours."""
        held = self.holdings.kept(address)
        if held is not None:
            self.put(self.population.at(address, agent_class(address.kind), held), entry)
