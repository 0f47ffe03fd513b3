"""Places in JSON values: JSON Pointers (RFC 6901), and paths with names, indexes, `*` and `..`."""

import re
from collections.abc import Iterator
from typing import Any

from ..tool import BadArguments, ToolError

MOST_FOUND = 10_000
_STEP = re.compile(r"""\.\.|\.?\*|\[\*\]|\[(-?\d{1,9})\]|\[(?:"((?:[^"\\]|\\.)*)"|'([^']*)')\]|\.?([^.\[\]*"'\s]+)""")


def steps_of(pointer: str) -> list[str]:
    if pointer == "":
        return []
    if not pointer.startswith("/"):
        raise BadArguments(f"the pointer {pointer[:100]!r} does not begin with `/`: write it as in `/users/0/name`.")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def pointer_of(steps: tuple[str | int, ...]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def look_up(value: Any, pointer: str, *default: Any) -> Any:
    """What stands there; else the default, if one is given."""
    for depth, step in enumerate(steps := steps_of(pointer), 1):
        try:
            value = inner(value, step)
        except LookupError as error:
            if default:
                return default[0]
            raise ToolError(f"there is nothing at `{pointer_of(tuple(steps[:depth]))}`: {error.args[0]}.") from None
    return value


def inner(value: Any, step: str) -> Any:
    """Raises LookupError with what is there instead."""
    if isinstance(value, dict):
        if step in value:
            return value[step]
        raise LookupError(f"the object has {_some(value)}")
    if isinstance(value, list):
        return value[index_of(step, len(value) - 1)]
    raise LookupError(f"it would be within {_kind(value)}")


def index_of(step: str, last: int) -> int:
    if re.fullmatch(r"0|[1-9]\d{0,8}", step, re.ASCII) and int(step) <= last:
        return int(step)
    raise LookupError(f"the list has {last + 1} items, numbered from 0")


def find_all(value: Any, path: str, *default: Any) -> Any:
    """One value; of a path with `*` or `..` the list of all."""
    found, several, at = [value], False, 1 if path.startswith("$") else 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            raise BadArguments(f"`path` cannot be read at character {at + 1}: write it as in `users[0].name`.")
        at = step.end()
        several = several or "*" in step[0] or step[0] == ".."
        found = [one for outer in found for one in _taken(outer, step)]
        if len(found) > MOST_FOUND:
            raise ToolError(f"`path` finds more than {MOST_FOUND:,} values: name more of it.")
    if several or found:
        return found if several else found[0]
    if default:
        return default[0]
    raise ToolError(f"there is nothing at `{path}`: give a `default`, or look at the value that is above it.")


def _taken(value: Any, step: re.Match[str]) -> Iterator[Any]:
    if step[0] == "..":
        yield from _everything(value)
    elif "*" in step[0]:
        yield from _items(value)
    elif step[1] is not None:
        if isinstance(value, list) and -len(value) <= int(step[1]) < len(value):
            yield value[int(step[1])]
    elif isinstance(value, dict):
        quoted = re.sub(r"\\(.)", r"\1", step[2]) if step[2] is not None else step[3]
        name = step[4] if quoted is None else quoted
        if name in value:
            yield value[name]


def _items(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _everything(value: Any) -> Iterator[Any]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += reversed(list(_items(one)))


def _some(value: dict[str, Any]) -> str:
    names = ", ".join(f"`{name[:50]}`" for name in list(value)[:10])
    return f"{names}{', …' if len(value) > 10 else ''}" if names else "no keys"


def _kind(value: Any) -> str:
    return {bool: "a truth value", str: "a text", int: "a number", float: "a number"}.get(type(value), "null")
