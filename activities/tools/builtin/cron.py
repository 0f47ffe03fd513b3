"""When a cron expression comes due: five fields, each a list of numbers, names, ranges and steps. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..tool import BadArguments, ToolError

MOST_YEARS = 30
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_SHORT = {
    "@yearly": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
}


@dataclass(frozen=True)
class _Field:
    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()

    def read(self, text: str) -> frozenset[int]:
        return frozenset(number for part in text.split(",") for number in self._part(part))

    def _part(self, text: str) -> range:
        span, _, step = text.partition("/")
        start, dash, end = span.partition("-")
        if span == "*":
            first, last = self.first, self.last
        else:
            first = self._number(start, text)
            last = self._number(end, text) if dash else self.last if step else first
        stride = int(step) if step.isdecimal() and len(step) < 4 else 0 if step or text.endswith("/") else 1
        if stride == 0 or first > last:
            raise self._refusal(text)
        return range(first, last + 1, stride)

    def _number(self, text: str, whole: str) -> int:
        if text.lower() in self.names:
            return self.names.index(text.lower()) + self.first
        if text.isascii() and text.isdecimal() and len(text) < 4 and self.first <= int(text) <= self.last:
            return int(text)
        raise self._refusal(whole)

    def _refusal(self, text: str) -> BadArguments:
        return BadArguments(
            f"{text[:50]!r} is no {self.name} of a cron expression: it takes {self.first} to {self.last}, `*`, "
            "ranges as in 1-5, steps as in */15, and lists of these."
        )


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("weekday", 0, 7, _DAYS),
)


@dataclass(frozen=True)
class Cron:
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # Sunday is 0
    either: bool  # both kinds of days are named: then either is enough, as in every cron

    def takes_day(self, day: datetime) -> bool:
        by_date, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and (by_date or by_week if self.either else by_date and by_week)


def read_cron(expression: str) -> Cron:
    parts = _SHORT.get(expression.strip().lower(), expression).split()
    if len(parts) != len(_FIELDS):
        raise BadArguments(
            f"{expression!r} has {len(parts)} fields, not five: write minute, hour, day, month and weekday, "
            "as in `0 9 * * 1`."
        )
    minutes, hours, days, months, weekdays = (field.read(part) for field, part in zip(_FIELDS, parts, strict=True))
    either = not parts[2].startswith("*") and not parts[4].startswith("*")
    return Cron(minutes, hours, days, months, frozenset(day % 7 for day in weekdays), either)


def following(expression: str, after: datetime, count: int) -> list[datetime]:
    """The next times, by the clock on the wall of `after`'s zone. An hour that the change of clocks leaves out has
    none, one that comes twice counts once."""
    cron = read_cron(expression)
    found: list[datetime] = []
    for moment in _moments(cron, after):
        if moment.astimezone(UTC) > after.astimezone(UTC):
            found.append(moment)
        if len(found) == count:
            return found
    if not found:
        raise ToolError(f"{expression!r} does not come due within {MOST_YEARS} years: there is no such day.")
    return found


def _moments(cron: Cron, after: datetime) -> Iterator[datetime]:
    midnight = after.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    for number in range(MOST_YEARS * 366):
        try:
            day = midnight + timedelta(days=number)
        except OverflowError:
            return
        if cron.takes_day(day):
            wall = (
                day.replace(hour=hour, minute=minute) for hour in sorted(cron.hours) for minute in sorted(cron.minutes)
            )
            yield from (moment for moment in wall if _exists(moment))


def _exists(moment: datetime) -> bool:
    there = moment.astimezone(UTC).astimezone(moment.tzinfo)
    return (there.hour, there.minute) == (moment.hour, moment.minute)
