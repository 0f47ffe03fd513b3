"""Lengths of time as people write them: `90s`, `1h30m`, `2d`, `250ms`. One canonical spelling goes into documents."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

PATTERN = r"^(?=\d)(\d+d)?(\d+h)?(\d+m(?!s))?(\d+(\.\d+)?s)?(\d+ms)?$"
LONGEST = timedelta(days=3650)

_PARTS = re.compile(
    r"(?:(?P<days>\d+)d)?(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m(?!s))?"
    r"(?:(?P<seconds>\d+(?:\.\d+)?)s)?(?:(?P<milliseconds>\d+)ms)?",
    re.ASCII,
)
_HELP = "write a number with d, h, m, s or ms, as in 90s, 1h30m or 2d"


def parse_duration(text: str) -> timedelta:
    """Raises ValueError with a sentence that says how to write it."""
    parts = _PARTS.fullmatch(text)
    if not text or parts is None or len(text) > 40:
        raise ValueError(f"{text[:40]!r} is not a length of time: {_HELP}.")
    try:
        length = timedelta(**{unit: float(number) for unit, number in parts.groupdict().items() if number})
    except OverflowError:
        length = LONGEST * 2
    if length > LONGEST:
        raise ValueError(f"{text[:40]!r} is longer than ten years (3650d).")
    return length


def format_duration(length: timedelta) -> str:
    milliseconds = round(length / timedelta(milliseconds=1))
    written = ""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, size)
        written += f"{count}{unit}" if count else ""
    return written or "0s"


def _read(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"{value} is not a length of time: write it with a unit, as in {value}s.")
    raise ValueError(f"{value!r} is not a length of time: {_HELP}.")


Duration = Annotated[
    timedelta,
    BeforeValidator(_read),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["90s", "1h30m", "2d"]}),
]
