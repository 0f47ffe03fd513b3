"""What becomes of a message whose turn failed: its asker learns it, or it is tried again, or it is buried.

The invariant: it is decided only after all turns before it are durable; when they were taken back, this turn was too,
and its failure is forgotten with it.
"""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from .burial import Burial
from .envelope import failed
from .errors import DatabaseLost, MailboxFull, NewerVersion, OutcomeUnknown, Rejected, ResproutError
from .mailbox import Entry
from .station import Station
from .strangers import Strangers

if TYPE_CHECKING:
    from .activation import Activation


class Failing:
    def __init__(self, station: Station, burial: Burial, strangers: Strangers) -> None:
        self.station = station
        self.burial = burial
        self.strangers = strangers

    async def failed(self, activation: "Activation", entry: Entry, error: ResproutError, generation: int) -> None:
        await activation.uncommitted.flushed()
        if activation.uncommitted.generation != generation:
            return
        if not entry.stored:
            activation.done(entry, failed(error))
        else:
            await self._give_up_for_now(activation, entry, error)

    async def _give_up_for_now(self, activation: "Activation", entry: Entry, error: ResproutError) -> None:
        """A told message that cannot be digested: later again, or to the dead letters."""
        joined, entry.joined = list(entry.joined), ()
        activation.mailbox.back(joined)  # each has its own attempts
        attempts = entry.attempts
        try:
            await self._later_or_never(activation, entry, error)
        except OutcomeUnknown:  # the store is away, and may have counted or buried it: say the same again
            entry.attempts, entry.refused = attempts, error
            activation.mailbox.back([entry])
            await asyncio.sleep(activation.kind.options.supervision.first_pause.total_seconds())

    async def _later_or_never(self, activation: "Activation", entry: Entry, error: ResproutError) -> None:
        supervision = activation.kind.options.supervision
        # That of an ask in its turn may have passed too: the next try has a new one.
        overdue = entry.envelope.deadline is not None and self.station.clock() > entry.envelope.deadline
        if not overdue and (isinstance(error, NewerVersion) or await self.strangers.waits(activation, entry)):
            await self._leave_for_newer_code(activation, entry, error)
            return
        blameless = self._is_blameless(activation, entry, error)
        if not blameless:
            entry.attempts += 1
        hopeless = overdue or isinstance(error, Rejected)
        if hopeless or (not blameless and entry.attempts >= supervision.attempts):
            await self.burial.bury(activation, entry, error)
            return
        pause = supervision.pause_after(max(entry.attempts, 1))
        if await self.burial.postpone(activation, entry, error, pause):
            activation.mailbox.postpone(entry)
            self.station.background.later(pause.total_seconds(), activation.try_again, entry)

    async def _leave_for_newer_code(self, activation: "Activation", entry: Entry, error: ResproutError) -> None:
        """Due at once for the next host. This one looks again only since what its turn asks may live elsewhere."""
        if await self.burial.postpone(activation, entry, error, timedelta(0)):
            activation.mailbox.postpone(entry)
            self.station.background.later(self.strangers.look_every, activation.try_again, entry)

    def _is_blameless(self, activation: "Activation", entry: Entry, error: ResproutError) -> bool:
        """It waits for the store, or for room where its turn tells something. For room not for ever:
        agents whose mailboxes are full of what they tell each other would wait until one of them gives up."""
        if not isinstance(error, MailboxFull):
            return isinstance(error, DatabaseLost)
        now = self.station.now()
        if entry.met_full_at is None:
            entry.met_full_at = now
        return now - entry.met_full_at < activation.kind.options.supervision.patience.total_seconds()
