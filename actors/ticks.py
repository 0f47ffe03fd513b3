"""Fires the reminders of the agents in a host's shards when their time has come (`reminders.py` says what that means).

The invariant: a reminder moves on and its ticks are put into the mailbox in one transaction, so however often one is
fired, each tick is told once. One that cannot be fired does not keep the others from it.
"""

import asyncio
from datetime import datetime

from .address import AgentAddress
from .envelope import Envelope
from .errors import OutcomeUnknown, ResproutError
from .holdings import Holdings
from .ids import derived_id
from .kinds import bounds_of
from .logger import get_logger
from .reminders import fire
from .station import Station
from .store import DueReminder, Fired, Full
from .waiting import wait_until_set

log = get_logger("resprout.host")

LOOK_AGAIN_EVERY = 10.0
SOON = LOOK_AGAIN_EVERY / 10
FULL_AGAIN_AFTER = 1.0
PAGE = 1_000


class Ticks:
    def __init__(
        self,
        station: Station,
        holdings: Holdings,
        mail_waits: asyncio.Event,
        reminders_changed: asyncio.Event,
    ) -> None:
        self.station = station
        self.store = station.store
        self.clock = station.clock
        self.now = station.now
        self.holdings = holdings
        self.mail_waits = mail_waits
        self.reminders_changed = reminders_changed
        self.full: dict[tuple[AgentAddress, str], float] = {}  # reminders of full mailboxes, and when to try again

    async def run(self) -> None:
        while True:
            self.reminders_changed.clear()
            pause = await self._remind()
            await wait_until_set(self.reminders_changed, pause)

    async def _remind(self) -> float:
        """Fires what is due. Returns the seconds until there may be more."""
        held = list(self.holdings)
        if not held or not self.station.may_write():
            return SOON
        try:
            self.full = {one: until for one, until in self.full.items() if until > self.now()}
            due, next_due = await self.store.due(held, self.clock(), PAGE + len(self.full))
            fired = [await self._fire(one) for one in due if (one.address, one.reminder.name) not in self.full]
        except ResproutError as error:
            log.warning("reminders wait for the store", error=str(error))
            return SOON
        if any(fired):
            self.mail_waits.set()
            return 0.0 if all(fired) else SOON
        if fired or self.full:
            return SOON
        if next_due is None:
            return LOOK_AGAIN_EVERY
        return min(LOOK_AGAIN_EVERY, max(0.0, (next_due - self.clock()).total_seconds()))

    async def _fire(self, due: DueReminder) -> bool:
        """False when this one cannot be fired now, which shall not keep the others from it."""
        try:
            firing = fire(due.reminder, self.clock())
            ticks = [_tick(due, at) for at in firing.ticks]
            bounds = bounds_of(str(due.address))
            outcome = await self.store.fire(self.station.host, due, ticks, firing.next_due, (bounds.rows, bounds.bytes))
        except OutcomeUnknown:
            raise
        except Exception:
            log.exception("a reminder cannot be fired", agent=str(due.address), reminder=due.reminder.name)
            return False
        if isinstance(outcome, Full):
            self.full[due.address, due.reminder.name] = self.now() + FULL_AGAIN_AFTER
        return isinstance(outcome, Fired)


def _tick(due: DueReminder, at: datetime) -> Envelope:
    reminder = due.reminder
    return Envelope(
        id=derived_id(reminder.id, at.isoformat()),
        way="tell",
        recipient=str(due.address),
        sender=str(due.address),
        type=reminder.type,
        version=reminder.version,
        body=reminder.body,
        tenant=reminder.tenant,
        correlation=reminder.id,
        causation=reminder.id,
    )
