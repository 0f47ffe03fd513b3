"""Keys of settings: which there are, and how one is called in the environment.

Most are fixed. Where a section holds sections that users name, as `models.providers.house`, `NAME` stands for all of
these names. Such names have no `_`, so that their variables can be read back: `house-2` is `HOUSE_2`.
"""

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel

Key = tuple[str, ...]

ANY = "NAME"
GIVEN_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


def keys_within(model: type[BaseModel], prefix: Key = ()) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys_within(kind, (*prefix, name))
        elif (named := _named_section(kind)) is not None:
            yield from keys_within(named, (*prefix, name, ANY))
        else:
            yield (*prefix, name)


def _named_section(kind: Any) -> type[BaseModel] | None:
    """Of `dict[str, ASection]`."""
    if get_origin(kind) is not dict:
        return None
    section = get_args(kind)[1]
    return section if isinstance(section, type) and issubclass(section, BaseModel) else None


def fits(key: Key, pattern: Key) -> bool:
    """Whether the pattern is of this key, or of what is below it."""
    parts = zip(key, pattern, strict=False)
    return len(key) <= len(pattern) and all(
        part == known or (known == ANY and GIVEN_NAME.fullmatch(part)) for part, known in parts
    )


def named_as(key: Key, pattern: Key) -> Key:
    """The pattern with the names that the key has in their places."""
    named = {at: part for at, part in enumerate(key) if GIVEN_NAME.fullmatch(part)}
    return tuple(named.get(at, part) if part == ANY else part for at, part in enumerate(pattern))


def is_one_of(key: Key, patterns: frozenset[Key]) -> bool:
    return key in patterns or any(len(key) == len(pattern) and fits(key, pattern) for pattern in patterns)


def present(values: Any, pattern: Key, at: Key = ()) -> Iterator[Key]:
    """The keys that a pattern stands for in these settings, given as models and dicts."""
    if not pattern:
        yield at
    elif pattern[0] == ANY:
        for name in values:
            yield from present(values[name], pattern[1:], (*at, name))
    else:
        yield from present(getattr(values, pattern[0]), pattern[1:], (*at, pattern[0]))


def as_variable(key: Key) -> str:
    return "_".join(key).upper().replace("-", "_")


def of_variable(name: str, patterns: frozenset[Key]) -> Key | None:
    for pattern in patterns:
        if ANY not in pattern:
            if name == as_variable(pattern):
                return pattern
        elif found := re.fullmatch(as_variable(pattern).replace(ANY, "([A-Z][A-Z0-9_]*)"), name):
            given = found[1].lower().replace("_", "-")
            if GIVEN_NAME.fullmatch(given):
                return tuple(given if part == ANY else part for part in pattern)
    return None
