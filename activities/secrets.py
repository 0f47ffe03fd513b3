"""The veil over the values of secrets: takes them out of whatever is recorded, shown or sent on.

The invariant: a value is looked for in the forms in which programs usually write it, in text and in bytes, also where
a stream has it in several pieces. What writes it in a form of its own (reversed, compressed, encrypted) is not found
out: a secret is for programs that one trusts, which is why its use needs the permission `secrets.use`.
"""

import base64
import html
import json
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from typing import Any, AnyStr, Protocol
from urllib.parse import quote, quote_plus

SCHEME = "secret://"
REFERENCE = re.compile(SCHEME + r"([A-Za-z0-9][A-Za-z0-9_-]{0,99})")
SHORTEST_PART = 8  # a line, or a stretch of base64: of fewer characters it would be found where it is not
SHORTEST_REST = 4  # bytes of a value that the end of what is kept cuts off


class KnowsSecrets(Protocol):
    def value(self, name: str) -> str:
        """Raises Rejected when there is none of this name."""
        ...


class Veil:
    """Puts `secret://name` where the values of these secrets stand."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})
        forms = {form: SCHEME + name for name, value in self._values.items() for form in _forms(value)}
        self._texts = dict(sorted(forms.items(), key=lambda one: -len(one[0])))
        self._bytes = {_encoded(form): reference.encode() for form, reference in self._texts.items()}
        self._sorted = sorted(self._bytes)

    def __repr__(self) -> str:
        return "Veil(…)"  # else a log that shows it would show all

    def __bool__(self) -> bool:
        return bool(self._texts)

    def over(self, values: Mapping[str, str]) -> "Veil":
        """Over these, too."""
        return Veil({**self._values, **values}) if values else self

    def __or__(self, other: "Veil") -> "Veil":
        return self.over(other._values)

    def hidden(self, value: Any) -> Any:
        """The same JSON, with references where the values stood."""
        return changed(value, self.hide) if self else value

    def hide(self, text: str) -> str:
        return _replaced(text, self._texts, "|")

    def hide_bytes(self, content: bytes, *, is_cut: bool = False) -> bytes:
        """`is_cut`: it would go on, perhaps with the rest of a value."""
        hidden = _replaced(content, self._bytes, b"|")
        return self._hide_rest(hidden) if is_cut else hidden

    def divided(self, content: bytes) -> tuple[bytes, bytes]:
        """What may be shown, hidden; and the end, which may be the beginning of a value and waits for what follows."""
        at = self._begins_at(content)
        for found in _found(content, self._bytes, b"|"):
            if found.start() < at < found.end():
                at = found.end()
        return self.hide_bytes(content[:at]), content[at:]

    def _hide_rest(self, content: bytes) -> bytes:
        at = self._begins_at(content)
        rest = content[at:]
        if len(rest) < SHORTEST_REST:
            return content
        return content[:at] + self._bytes[self._sorted[bisect_left(self._sorted, rest)]]

    def _begins_at(self, content: bytes) -> int:
        """Where the longest end begins with which a value may begin."""
        longest = max(map(len, self._sorted), default=1) - 1
        for at in range(max(0, len(content) - longest), len(content)):
            end = content[at:]
            next_one = bisect_left(self._sorted, end)
            if next_one < len(self._sorted) and self._sorted[next_one].startswith(end):
                return at
        return len(content)


NOTHING_HIDDEN = Veil()


class StreamVeil:
    """Hides in a stream that comes in pieces. Nothing is held back but what may be the beginning of a value."""

    def __init__(self, veil: Veil) -> None:
        self._veil = veil
        self._held = b""

    def pass_on(self, piece: bytes) -> bytes:
        shown, self._held = self._veil.divided(self._held + piece)
        return shown

    def end(self, *, is_cut: bool) -> bytes:
        held, self._held = self._held, b""
        return self._veil.hide_bytes(held, is_cut=is_cut)


def changed(value: Any, change: Callable[[str], str]) -> Any:
    """JSON with each of its texts changed, keys too."""
    match value:
        case str():
            return change(value)
        case dict():
            return {changed(key, change): changed(one, change) for key, one in value.items()}
        case list() | tuple():
            return [changed(one, change) for one in value]
        case _:
            return value


def _replaced(content: AnyStr, forms: Mapping[AnyStr, AnyStr], between: AnyStr) -> AnyStr:
    pattern = _pattern(content, forms, between)
    return pattern.sub(lambda found: forms[found[0]], content) if pattern is not None else content


def _found(content: AnyStr, forms: Mapping[AnyStr, AnyStr], between: AnyStr) -> Iterator[re.Match[AnyStr]]:
    pattern = _pattern(content, forms, between)
    return pattern.finditer(content) if pattern is not None else iter(())


def _pattern(content: AnyStr, forms: Mapping[AnyStr, AnyStr], between: AnyStr) -> re.Pattern[AnyStr] | None:
    """Of the forms that are in it, the longest first: to look for one after the other is faster than for any of all."""
    there = [form for form in forms if form in content]
    return re.compile(between.join(map(re.escape, there))) if there else None


def _forms(value: str) -> Iterator[str]:
    whole = [value, *(line.strip() for line in value.splitlines() if len(line.strip()) >= SHORTEST_PART)]
    for text in filter(None, whole):
        coded = _encoded(text)
        # Quotes are escaped by Python where there are both kinds.
        shown = (text, repr(text)[1:-1], repr(f'"{text}')[2:-1], repr(coded)[2:-1], repr(b'"' + coded)[3:-1])
        for one in (*shown, html.escape(text)):
            yield one
            yield from (json.dumps(one, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
            yield json.dumps(json.dumps(one))[3:-3]
        yield from (quote(coded), quote(coded, safe=""), quote_plus(coded), quote(coded, safe="").lower())
        yield from _in_bytes(coded)


def _in_bytes(value: bytes) -> Iterator[str]:
    if len(value) >= 4:
        yield from (value.hex(), value.hex().upper())
    for before in range(3):  # base64 of a longer text has it in one of three ways, by what stands before
        coded = base64.b64encode(b"\0" * before + value).decode().rstrip("=")
        # The first and last characters also depend on the neighbours.
        inner = coded[(0, 2, 3)[before] : len(coded) if (before + len(value)) % 3 == 0 else -1]
        if len(inner) >= SHORTEST_PART or (before == 0 and len(value) >= 4):
            yield from (inner, inner.translate(str.maketrans("+/", "-_")))
    for line in base64.encodebytes(value).decode().splitlines():  # as `base64` writes what is long
        if len(line) >= SHORTEST_PART:
            yield line


def _encoded(form: str) -> bytes:
    """As a process writes what it has from its environment, where bytes that are no UTF-8 are half characters."""
    try:
        return form.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return form.encode(errors="surrogatepass")
