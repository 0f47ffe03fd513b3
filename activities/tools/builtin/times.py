"""Tools for dates and times. A time is written in ISO 8601 with its offset; what has none is in the zone you say."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field

from ....actors.duration import format_duration
from ..tool import BadArguments, ToolError, tool
from .cron import following

Moment = Annotated[str, Field(max_length=100, description="As in `2026-03-01T12:00:00+01:00`, or seconds since 1970.")]
Zone = Annotated[str, Field(max_length=100, description="As in `Europe/Berlin`, `UTC`, `+02:00`.")]
_FORMATS = ("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d %B %Y", "%B %d, %Y", "%d %b %Y", "%b %d, %Y", "%Y/%m/%d", "%m/%d/%Y")
_OFFSET = re.compile(r"([+-])([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


@dataclass
class Time:
    iso: str
    unix: float
    zone: str
    weekday: str
    week: int  # of ISO 8601
    day_of_year: int


@dataclass
class Formatted:
    text: str


@dataclass
class Between:
    seconds: float
    duration: str  # always positive
    days: int  # from midnight to midnight, in the zone of the first
    weekdays: int  # of these, Monday to Friday


@dataclass
class Times:
    times: list[str]


@dataclass
class Month:
    year: int
    month: str
    weeks: list[list[int | None]]  # Monday first; null: of another month
    text: str


@tool("time.now", version="1.0.0", contract="safe-to-retry")
def now(zone: Zone = "UTC") -> Time:
    """Says what time it is. The answer that is on record is the one of the try that was recorded."""
    return _time(datetime.now(UTC), zone)


@tool("time.parse", version="1.0.0", contract="safe-to-retry")
def parse(
    text: Annotated[str, Field(min_length=1, max_length=100, description="A date or time, as people write it.")],
    format: Annotated[str | None, Field(max_length=100, description="As of strptime, if it is unusual.")] = None,  # noqa: A002
    zone: Zone = "UTC",
) -> Time:
    """Reads a date or time: ISO 8601, seconds since 1970, of e-mail, 1.3.2026, March 1, 2026, or as `format` says."""
    return _time(_read(text, zone, format), zone if format else None)


@tool("time.format", version="1.0.0", contract="safe-to-retry")
def format_time(
    time: Moment,
    format: Annotated[str, Field(min_length=1, max_length=200, description="As of strftime: `%d.%m.%Y %H:%M`.")],  # noqa: A002
    zone: Annotated[Zone | None, Field(description="Show it in this one.")] = None,
) -> Formatted:
    """Writes a time in a format."""
    moment = _read(time, zone or "UTC")
    return Formatted((moment.astimezone(_zone(zone)) if zone else moment).strftime(format))


@tool("time.convert", version="1.0.0", contract="safe-to-retry")
def convert(
    time: Moment, zone: Zone, source: Annotated[Zone, Field(description="If `time` has no offset.")] = "UTC"
) -> Time:
    """Says what time it is in another zone at a given moment."""
    return _time(_read(time, source), zone)


@tool("time.add", version="1.0.0", contract="safe-to-retry")
def add(
    time: Moment,
    years: Annotated[int, Field(ge=-9_000, le=9_000)] = 0,
    months: Annotated[int, Field(ge=-100_000, le=100_000)] = 0,
    days: Annotated[int, Field(ge=-3_000_000, le=3_000_000)] = 0,
    seconds: Annotated[float, Field(ge=-1e11, le=1e11)] = 0,
    zone: Annotated[Zone, Field(description="In which the days are counted.")] = "UTC",
) -> Time:
    """Adds years, months, days and seconds to a time, or takes some. January 31 and a month is the end of February."""
    moment = _read(time, zone).astimezone(_zone(zone))
    try:
        month = moment.year * 12 + moment.month - 1 + years * 12 + months
        first = moment.replace(year=month // 12, month=month % 12 + 1, day=1)
        longest = ((first + timedelta(days=31)).replace(day=1) - first).days
        moved = first.replace(day=min(moment.day, longest)) + timedelta(days=days)
        # Days are of the calendar, seconds are of the clock: an hour over a change of the clocks is an hour.
        return _time((moved.astimezone(UTC) + timedelta(seconds=seconds)), zone)
    except (ValueError, OverflowError):
        raise ToolError("the sum lies outside of the years 1 to 9999: add less.") from None


@tool("time.between", version="1.0.0", contract="safe-to-retry")
def between(start: Moment, end: Moment, zone: Zone = "UTC") -> Between:
    """Says how far apart two times are: in seconds, days and weekdays."""
    first, last = _read(start, zone), _read(end, zone)
    length = last - first
    days = (last.astimezone(first.tzinfo).date() - first.date()).days
    exact = format_duration(abs(length))
    return Between(length.total_seconds(), exact, days, _weekdays(first.date(), days))


def _weekdays(first: date, days: int) -> int:
    weeks, rest = divmod(abs(days), 7)
    earlier = first if days >= 0 else first + timedelta(days=days)
    return weeks * 5 + sum((earlier + timedelta(days=day)).weekday() < 5 for day in range(rest))


@tool("time.cron", version="1.0.0", contract="safe-to-retry")
def cron(
    expression: Annotated[
        str, Field(max_length=200, description="Minute, hour, day, month, weekday: `0 9 * * mon-fri`.")
    ],
    after: Moment,
    count: Annotated[int, Field(ge=1, le=100)] = 5,
    zone: Zone = "UTC",
) -> Times:
    """Says when a cron expression comes due next, after a time."""
    moment = _read(after, zone).astimezone(_zone(zone))
    return Times([one.isoformat() for one in following(expression, moment, count)])


@tool("time.calendar", version="1.0.0", contract="safe-to-retry")
def calendar(year: Annotated[int, Field(ge=1, le=9_998)], month: Annotated[int, Field(ge=1, le=12)]) -> Month:
    """Shows a month, week by week."""
    first = date(year, month, 1)
    length = ((first + timedelta(days=31)).replace(day=1) - first).days
    days: list[int | None] = [None] * first.weekday() + list(range(1, length + 1))
    days += [None] * (-len(days) % 7)
    weeks = [days[at : at + 7] for at in range(0, len(days), 7)]
    lines = ["Mo Tu We Th Fr Sa Su", *(" ".join(f"{day or '':>2}" for day in week).rstrip() for week in weeks)]
    return Month(year, f"{first:%B}", weeks, "\n".join(lines))


def _time(moment: datetime, zone: str | None) -> Time:
    try:
        shown = moment.astimezone(_zone(zone)) if zone else moment
        unix = moment.timestamp()
    except (OverflowError, ValueError):
        raise ToolError("the time lies outside of the years 1 to 9999 in this zone: choose another one.") from None
    week = shown.isocalendar().week
    return Time(shown.isoformat(), unix, str(shown.tzinfo), f"{shown:%A}", week, shown.timetuple().tm_yday)


def _read(text: str, zone: str, format: str | None = None) -> datetime:  # noqa: A002
    moment = _by_format(text, format) if format else _usual(text.strip())
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=_zone(zone))


def _by_format(text: str, format: str) -> datetime:  # noqa: A002
    try:
        return datetime.strptime(text, format)
    except ValueError as error:
        raise BadArguments(f"{text!r} is not written like `format`: {error}. Correct one of them.") from None


def _usual(text: str) -> datetime:
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError):
        pass  # no number: the next way of writing
    for way in (datetime.fromisoformat, parsedate_to_datetime, *_FORMATS):
        try:
            return way(text) if callable(way) else datetime.strptime(text, way)
        except (ValueError, IndexError, TypeError):
            continue
    raise BadArguments(f"{text!r} is no time that is known here: write it as in 2026-03-01T12:00:00+01:00.")


def _zone(name: str) -> tzinfo:
    offset = _OFFSET.fullmatch(name)
    if offset is not None:
        length = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-length if offset[1] == "-" else length)
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadArguments(f"{name!r} is no time zone: write it as in Europe/Berlin, UTC or +02:00.") from None


TOOLS = (now, parse, format_time, convert, add, between, cron, calendar)
