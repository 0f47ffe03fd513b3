"""Reads CEL just far enough to see its words: strings, names, numbers and signs, each with its place.

The CEL library compiles and evaluates, but shows no syntax tree; what is referenced, and where an expression ends
inside a text, is found from these tokens.
"""

import re
from enum import Enum
from functools import lru_cache
from typing import NamedTuple


class Kind(Enum):
    NAME = "name"
    TEXT = "text"
    NUMBER = "number"
    SIGN = "sign"


class Token(NamedTuple):
    kind: Kind
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*)
    | (?P<raw>[bB]?[rR][bB]?(?:\"\"\"[\s\S]*?\"\"\"|'''[\s\S]*?'''|"[^"\n]*"|'[^'\n]*'))
    | (?P<text>[bB]?(?:\"\"\"(?:\\[\s\S]|[\s\S])*?\"\"\"|'''(?:\\[\s\S]|[\s\S])*?'''
        |"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>0x[0-9A-Fa-f]+u?|(?:\d+\.\d+|\.\d+|\d+)(?:[eE][+-]?\d+)?u?)
    | (?P<sign>&&|\|\||==|!=|<=|>=|[\s\S])
    """,
    re.VERBOSE | re.ASCII,
)
_KINDS = {"raw": Kind.TEXT, "text": Kind.TEXT, "name": Kind.NAME, "number": Kind.NUMBER, "sign": Kind.SIGN}
_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")


@lru_cache(maxsize=16_384)
def tokens(source: str) -> tuple[Token, ...]:
    """The tokens of an expression, without spaces and comments."""
    return tuple(
        Token(_KINDS[match.lastgroup or "sign"], match[0], match.start())
        for match in _TOKEN.finditer(source)
        if match.lastgroup != "space"
    )


def end_of_hole(text: str, start: int) -> int | None:
    """Where the `}}` stands that ends the expression beginning at `start`; braces and texts inside it do not count."""
    depth, at = 0, start
    while at < len(text):
        if depth == 0 and text.startswith("}}", at):
            return at
        match = _TOKEN.match(text, at)
        assert match is not None  # the last alternative takes any character
        if match.lastgroup == "space" and match[0].startswith("//") and "}}" in match[0]:
            return at + match[0].index("}}")
        if match.lastgroup == "sign":
            depth += (match[0] == "{") - (match[0] == "}" and depth > 0)
        at = match.end()
    return None


def closing(words: tuple[Token, ...], opening: int) -> int | None:
    """The index of the bracket that closes the one at `opening`."""
    depth = 0
    for index in range(opening, len(words)):
        if words[index].kind is Kind.SIGN:
            depth += (words[index].text in _OPEN) - (words[index].text in _CLOSE)
            if depth == 0:
                return index
    return None


def deepest(words: tuple[Token, ...]) -> int:
    """How deep brackets are nested."""
    depth = most = 0
    for word in words:
        if word.kind is Kind.SIGN:
            depth += (word.text in _OPEN) - (word.text in _CLOSE)
            most = max(most, depth)
    return most
