"""Secrets by reference: `secret://name` in arguments stands for a value that only the tool itself sees.

The invariant: what is decided, recorded, approved, shown or handed on has the reference. The value is put in at the
last moment, and a veil lies over all that the tool gives back.
"""

from collections.abc import Iterator
from typing import Any

from ..secrets import REFERENCE, KnowsSecrets, Veil, changed
from .manifest import Permission


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
        put_in = changed(arguments, lambda text: REFERENCE.sub(lambda found: values[found[1]], text))
        return Revealed(put_in, values)


class Revealed:
    """Arguments with the values of their secrets, and the way back."""

    def __init__(self, arguments: dict[str, Any], values: dict[str, str]) -> None:
        self.arguments = arguments
        self.veil = Veil(values)

    def __repr__(self) -> str:
        return "Revealed(…)"  # else a log that shows it would show all

    def hidden(self, value: Any) -> Any:
        """The same, with references where the values stood."""
        return self.veil.hidden(value)


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
