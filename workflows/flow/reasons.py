"""Why an expression has no value, in words: the library's own messages name neither the field nor the remedy."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from .programs import LOOP, SPELLED, Program, Scope
from .references import Reference
from .values import kind_of

_A_TYPE = re.compile(r"\b[A-Z]\w*Error: ")
_QUOTES = "\"'"
_KNOWN: dict[type[Exception], str] = {
    ZeroDivisionError: "it divides by zero.",
    OverflowError: "a result is larger than 64 bits hold; use double(…).",
}


def follow(reference: Reference, scope: Scope) -> tuple[Any, str | None]:
    """What the reference leads to, or a sentence on where it leads nowhere."""
    value: Any = scope
    way = ""
    for step in (reference.root, *reference.path):
        match value:
            case Mapping() if step in value:
                value = value[step]
            case list() | tuple() if isinstance(step, int) and step < len(value):
                value = value[step]
            case _:
                return None, _lost(way, step, value)
        way = f"{way}[{step}]" if isinstance(step, int) else f"{way}.{step}" if way else step
    return value, None


def _lost(way: str, step: str | int, value: Any) -> str:
    if isinstance(value, Mapping) and not way:
        return f"there is no `{step}` here; there are {_listed(value)}.{_near(step, value)}"
    if isinstance(value, Mapping):
        return f"`{way}` has no field `{step}`; it has {_listed(value) or 'none'}.{_near(step, value)}"
    if isinstance(value, list | tuple) and isinstance(step, int):
        return f"`{way}` has {len(value)} items, so there is no [{step}]."
    hint = " (a skipped task has output null)" if value is None and way.endswith(".output") else ""
    return f"`{way}` is {kind_of(value)}{hint}, which has no field `{step}`."


def _listed(known: Mapping[str, Any]) -> str:
    names = sorted(map(str, known))
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _near(step: str | int, known: Mapping[str, Any]) -> str:
    near = get_close_matches(str(step), list(map(str, known)), n=1)
    return f" Did you mean `{near[0]}`?" if near else ""


def reason_of(error: Exception, ready: Program, scope: Scope) -> str:
    """A sentence on why the library could not evaluate: first, what a reference misses."""
    if isinstance(error, KeyError | TypeError | RuntimeError | IndexError):
        for reference in ready.references:
            lost = follow(reference, scope)[1]
            if lost is not None:
                return lost
    match error:
        case RuntimeError():
            return _function_failed(str(error), ready, scope)
        case TypeError() if not str(error).startswith("`"):
            return f"types that do not go together: {_types(ready, scope)}convert with int(…), double(…) or string(…)."
        case KeyError():
            return f"a map has no field `{str(error).strip(_QUOTES)}`; test for it with `has(…)`."
        case _:
            return _KNOWN.get(type(error)) or f"{first_line(error).rstrip('.')}."


def _types(ready: Program, scope: Scope) -> str:
    told = dict.fromkeys(f"`{ref}` is {kind_of(follow(ref, scope)[0])}" for ref in ready.references[:5])
    return ", ".join(told) + "; " if told else ""


def _function_failed(said: str, ready: Program, scope: Scope) -> str:
    """The library also says "undefined" of a function that exists but not for these types."""
    if said.startswith("Undefined"):
        name = said.partition("'")[2].partition("'")[0]
        return f"`{name}` does not take these values: {_types(ready, scope)}the page on flows lists the functions."
    said = said.removesuffix(" Check function arguments and their types.").removesuffix(".")
    return f"{_A_TYPE.sub('', said.replace('Python function call failed: ', ''))}."


def first_line(error: Exception) -> str:
    """What the library says first, without its own way of pointing."""
    lines = str(error).splitlines() or [type(error).__name__]
    _, place, rest = lines[0].rpartition("<input>:")
    said = (rest.partition(": ")[2] if place else "") or lines[0]
    return said.replace(SPELLED, LOOP)
