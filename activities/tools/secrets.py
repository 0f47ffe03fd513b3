"""Secrets by reference: `secret://name` in arguments stands for a value that only the tool itself sees.

The invariant: what is decided, recorded, approved, shown or handed on to a run or an agent has the reference. The value is put in at the last moment,
and taken out of all that the tool gives back, in the forms in which programs usually write it. A tool that writes a
secret in a form of its own (reversed, compressed, in pieces) is not found out: a secret is for tools that one trusts,
which is why its use needs the permission `secrets.use`.
"""

import base64
import html
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Protocol
from urllib.parse import quote, quote_plus

from .manifest import Permission

REFERENCE = re.compile(r"secret://([A-Za-z0-9][A-Za-z0-9_-]{0,99})")
SHORTEST_PART = 8  # a line, or a stretch of base64: of fewer characters it would be found where it is not


class KnowsSecrets(Protocol):
    def value(self, name: str) -> str: ...


def references_in(arguments: dict[str, Any]) -> tuple[Permission, ...]:
    """What a call with these arguments needs, once for each secret."""
    names = dict.fromkeys(name for text in _texts(arguments) for name in REFERENCE.findall(text))
    return tuple(Permission(action="secrets.use", on=name) for name in names)


class Secrets:
    def __init__(self, known: KnowsSecrets) -> None:
        self._known = known

    def revealed(self, arguments: dict[str, Any]) -> "Revealed":
        """A secret that there is not is the caller's mistake; it is named, with where to set it."""
        values = {need.on: self._known.value(need.on) for need in references_in(arguments)}
        put_in = _changed(arguments, lambda text: REFERENCE.sub(lambda found: values[found[1]], text))
        return Revealed(put_in, values)


class Revealed:
    """Arguments with the values of their secrets, and the way back."""

    def __init__(self, arguments: dict[str, Any], values: dict[str, str]) -> None:
        self.arguments = arguments
        self._references = {form: f"secret://{name}" for name, value in values.items() for form in _forms(value)}
        longest_first = sorted(self._references, key=len, reverse=True)
        self._any = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __repr__(self) -> str:
        return "Revealed(…)"  # else a log that shows it would show all

    def hidden(self, value: Any) -> Any:
        """The same, with references where the values stood."""
        return _changed(value, self._hide) if self._any is not None else value

    def _hide(self, text: str) -> str:
        assert self._any is not None
        return self._any.sub(lambda found: self._references[found[0]], text)


def _forms(value: str) -> Iterator[str]:
    whole = [value, *(line.strip() for line in value.splitlines() if len(line.strip()) >= SHORTEST_PART)]
    for text in filter(None, whole):
        yield text
        yield from (json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
        yield from (json.dumps(json.dumps(text))[3:-3], repr(text)[1:-1], html.escape(text))
        yield from (quote(text), quote(text, safe=""), quote_plus(text), quote(text, safe="").lower())
        yield from _in_bytes(text.encode(errors="surrogatepass"))


def _in_bytes(value: bytes) -> Iterator[str]:
    if len(value) >= 4:
        yield from (value.hex(), value.hex().upper())
    for before in range(3):  # base64 of a longer text has it in one of three ways, by what stands before
        coded = base64.b64encode(b"\0" * before + value).decode().rstrip("=")
        # The first and last characters also depend on the neighbours.
        inner = coded[(0, 2, 3)[before] : len(coded) if (before + len(value)) % 3 == 0 else -1]
        if len(inner) >= SHORTEST_PART or (before == 0 and len(value) >= 4):
            yield from (inner, inner.translate(str.maketrans("+/", "-_")))


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for key, one in value.items():
                yield from _texts(key)
                yield from _texts(one)
        case list() | tuple():
            for one in value:
                yield from _texts(one)


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    match value:
        case str():
            return change(value)
        case dict():
            return {_changed(key, change): _changed(one, change) for key, one in value.items()}
        case list() | tuple():
            return [_changed(one, change) for one in value]
        case _:
            return value
