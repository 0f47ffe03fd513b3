"""What becomes of a message whose turn failed: its asker learns it, or it is tried again, or it is buried.

The invariant: it is decided only after all turns before it are durable; when they were taken back, this turn was too,
and its failure is forgotten with it.
"""

import asyncio
from typing import TYPE_CHECKING

from .burial import Burial
from .envelope import failed
from .errors import DatabaseLost, MailboxFull, NewerVersion, OutcomeUnknown, Rejected, ResproutError
from .mailbox import Entry
from .station import Station

if TYPE_CHECKING:
    from .activation import Activation


class Failing:
    def __init__(self, station: Station, burial: Burial) -> None:
        self.station = station
        self.burial = burial

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
        supervision = activation.kind.options.supervision
        blameless = self._is_blameless(activation, entry, error)
        # That of an ask in its turn may have passed too: the next try has a new one.
        overdue = entry.envelope.deadline is not None and self.station.clock() > entry.envelope.deadline
        hopeless = overdue or isinstance(error, Rejected)
        attempts = entry.attempts
        try:
            if not blameless:
                entry.attempts += 1
            if hopeless or (not blameless and entry.attempts >= supervision.attempts):
                await self.burial.bury(activation, entry, error)
                return
            pause = supervision.pause_after(max(entry.attempts, 1))
            if await self.burial.postpone(activation, entry, error, pause):
                activation.mailbox.postpone(entry)
                self.station.background.later(pause.total_seconds(), activation.try_again, entry)
        except OutcomeUnknown:  # the store is away, and may have counted or buried it: say the same again
            entry.attempts, entry.refused = attempts, error
            activation.mailbox.back([entry])
            await asyncio.sleep(supervision.first_pause.total_seconds())

    def _is_blameless(self, activation: "Activation", entry: Entry, error: ResproutError) -> bool:
        """It waits for new code, for the store, or for room where its turn tells something. For room not for ever:
        agents whose mailboxes are full of what they tell each other would wait until one of them gives up."""
        if not isinstance(error, MailboxFull):
            return isinstance(error, (NewerVersion, DatabaseLost))
        now = self.station.now()
        if entry.met_full_at is None:
            entry.met_full_at = now
        return now - entry.met_full_at < activation.kind.options.supervision.patience.total_seconds()
