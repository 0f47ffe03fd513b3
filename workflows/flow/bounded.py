"""Functions that replace the library's own, whose cost or result would have no bound: a worker must not hang in one.

Those over sets compare JSON texts instead of every pair; those that can make much of little have a limit.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ...activities.expression_engine import stdlib
from .values import as_json_text

LONGEST_LIST = 100_000
LONGEST_TEXT = 10_000_000

_split: Callable[..., list[str]] = stdlib.STDLIB_FUNCTIONS["split"]


def keys(value: Any) -> list[Any]:
    """The keys of a map, sorted: the order of a map itself differs from process to process."""
    return sorted(value, key=str)


def values(value: Any) -> list[Any]:
    return [value[key] for key in keys(value)]


def first(items: Sequence[Any]) -> Any:
    return items[0] if items else None


def last(items: Sequence[Any]) -> Any:
    return items[-1] if items else None


def distinct(items: Sequence[Any]) -> list[Any]:
    return list({as_json_text(item): item for item in reversed(items)}.values())[::-1]


def count_up(number: int) -> list[int]:
    if number > LONGEST_LIST:
        raise ValueError(f"a list of more than {LONGEST_LIST:,} numbers")
    return list(range(number))


def replace(text: str, old: str, new: str, limit: int = -1) -> str:
    _check_length(len(text) + text.count(old) * len(new))
    return text.replace(old, new, limit)


def join(items: Sequence[str], separator: str = "") -> str:
    _check_length(len(items) * len(separator) + sum(map(len, items)))
    return separator.join(items)


def split(text: str, separator: str, limit: int = -1) -> list[str]:
    parts = text.count(separator) + 1 if limit < 0 else min(limit, text.count(separator) + 1)
    if parts > LONGEST_LIST:
        raise ValueError(f"a list of more than {LONGEST_LIST:,} texts")
    return _split(text, separator, limit)


def _check_length(length: int) -> None:
    if length > LONGEST_TEXT:
        raise ValueError(f"a text of more than {LONGEST_TEXT:,} letters")


def _set(items: Sequence[Any]) -> set[str]:
    return {as_json_text(item) for item in items}


def contains_all(items: Sequence[Any], part: Sequence[Any]) -> bool:
    return _set(part) <= _set(items)


def are_equivalent(items: Sequence[Any], others: Sequence[Any]) -> bool:
    return _set(items) == _set(others)


def intersect(items: Sequence[Any], others: Sequence[Any]) -> bool:
    return not _set(items).isdisjoint(_set(others))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **stdlib.STDLIB_FUNCTIONS,
    "distinct": distinct,
    "first": first,
    "join": join,
    "json": as_json_text,
    "keys": keys,
    "last": last,
    "lists.range": count_up,
    "replace": replace,
    "split": split,
    "sets.contains": contains_all,
    "sets.equivalent": are_equivalent,
    "sets.intersects": intersect,
    "values": values,
}
