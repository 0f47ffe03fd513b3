"""Amounts of bytes as people write them: `64KB`, `256MB`, `1.5GB`. A KB is 1024 bytes."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

PATTERN = r"^[0-9]+(\.[0-9]+)?(B|KB|MB|GB|TB)$"
UNITS = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
LARGEST = 1 << 50

LARGEST_VALUE = 64_000_000  # bytes of JSON that a run can give back, pass to a child flow, or carry over

_HELP = "write a number with B, KB, MB or GB, as in 256MB"


def parse_size(text: str) -> int:
    """Raises ValueError with a sentence that says how to write it."""
    parts = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([KMGT]?B)", text, re.ASCII)
    if parts is None or len(text) > 20:
        raise ValueError(f"{text[:40]!r} is not a size: {_HELP}.")
    size = round(float(parts[1]) * UNITS[parts[2]])
    if not 0 < size <= LARGEST:
        raise ValueError(f"{text[:40]!r} is not between 1B and 1024TB.")
    return size


def format_size(size: int) -> str:
    """Exact, so that it reads back as the same number."""
    for unit, worth in reversed(UNITS.items()):
        if size % worth == 0:
            return f"{size // worth}{unit}"
    raise AssertionError("bytes divide everything")


def _read(value: Any) -> Any:
    if isinstance(value, str):
        return parse_size(value)
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f"{value} is not a size: write it with a unit, as in {value}B.")
    raise ValueError(f"{value!r} is not a size: {_HELP}.")


Size = Annotated[
    int,
    BeforeValidator(_read),
    PlainSerializer(format_size, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["256MB", "1.5GB"]}),
]
