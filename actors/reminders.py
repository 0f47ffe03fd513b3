"""Durable timers: when a reminder fires, and what becomes of the ticks that nobody was there to see.

once   however many ticks were missed, one message tells of them (the default)
each   every missed tick gets its message, the oldest first
skip   missed ticks are dropped; the next one is in the future
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, assert_never
from uuid import UUID

Missed = Literal["once", "each", "skip"]

SHORTEST_PERIOD = timedelta(seconds=1)
# A tick that is this late was missed: its host was away.
LATE = timedelta(seconds=5)
# So many ticks of `each` are caught up at a time; the rest follow at once.
MOST_AT_ONCE = 100


@dataclass(frozen=True)
class Reminder:
    """`id` is of the setting of the reminder; each tick's message has an id derived from it and the tick's time."""

    id: UUID
    name: str
    due: datetime
    every: timedelta | None
    missed: Missed
    type: str
    version: int
    body: str
    tenant: str = "default"


@dataclass(frozen=True)
class Firing:
    ticks: tuple[datetime, ...]
    next_due: datetime | None  # None: the reminder is done, or its next tick is beyond the year 9999


def fire(reminder: Reminder, now: datetime) -> Firing:
    """What a due reminder does now. Ticks are at due + n * every, whatever the delays were: they never drift."""
    due, every = reminder.due, reminder.every
    if due > now:
        return Firing((), due)
    if every is None:
        late = now - due > LATE
        return Firing(() if late and reminder.missed == "skip" else (due,), None)
    passed = (now - due) // every + 1  # ticks at or before now
    newest = due + (passed - 1) * every
    match reminder.missed:
        case "once":
            return Firing((newest,), _after(newest, every))
        case "skip":
            return Firing((newest,) if now - newest <= LATE else (), _after(newest, every))
        case "each":
            ticks = tuple(due + n * every for n in range(min(passed, MOST_AT_ONCE)))
            return Firing(ticks, _after(ticks[-1], every))
        case never:
            assert_never(never)


def _after(tick: datetime, every: timedelta) -> datetime | None:
    """None when the calendar ends before: nobody will see that tick."""
    try:
        return tick + every
    except OverflowError:
        return None
