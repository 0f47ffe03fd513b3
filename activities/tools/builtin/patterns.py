"""Tools for regular expressions, of RE2: matching takes time linear in the text, whatever the expression."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

import re2
from pydantic import Field

from ..tool import BadArguments, tool

MOST_TEXT = 1 << 20
MOST_RESULT = 4 << 20

Searched = Annotated[str, Field(max_length=MOST_TEXT, description="The text to look in.")]
Pattern = Annotated[
    str,
    Field(min_length=1, max_length=1_000, description="A regular expression (RE2: no backreferences, no lookaround)."),
]
IgnoreCase = Annotated[bool, Field(description="Small and capital letters are the same.")]


@dataclass
class Match:
    text: str
    start: int  # characters from the beginning
    end: int
    groups: list[str | None]
    named: dict[str, str | None]


@dataclass
class Matches:
    matches: list[Match]
    truncated: bool


@dataclass
class Matched:
    matched: bool
    match: Match | None


@dataclass
class Replaced:
    text: str
    replacements: int


@lru_cache(maxsize=256)
def compiled(pattern: str, ignore_case: bool = False, multiline: bool = True) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    options.max_mem = 8 << 20
    try:
        return re2.compile(f"(?m){pattern}" if multiline else pattern, options)
    except re2.error as error:
        said = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise BadArguments(
            f"`pattern` is no regular expression of RE2: {said}. Write it without what that names."
        ) from None


def _found(match: Any) -> Match:
    return Match(match.group(), match.start(), match.end(), list(match.groups()), match.groupdict())


@tool("text.extract", version="1.0.0", contract="safe-to-retry")
def extract(
    text: Searched,
    pattern: Pattern,
    ignore_case: IgnoreCase = False,
    limit: Annotated[int, Field(ge=1, le=1_000)] = 100,
) -> Matches:
    """Finds all matches of a regular expression in a text, with their groups. `^` and `$` are the ends of lines."""
    found: list[Match] = []
    for match in compiled(pattern, ignore_case).finditer(text):
        if len(found) == limit:
            return Matches(found, truncated=True)
        found.append(_found(match))
    return Matches(found, truncated=False)


@tool("text.match", version="1.0.0", contract="safe-to-retry")
def match(text: Searched, pattern: Pattern, ignore_case: IgnoreCase = False) -> Matched:
    """Says whether the whole text matches a regular expression, and what its groups are."""
    found = compiled(pattern, ignore_case, multiline=False).fullmatch(text)
    return Matched(found is not None, found and _found(found))


@tool("text.substitute", version="1.0.0", contract="safe-to-retry")
def substitute(
    text: Searched,
    pattern: Pattern,
    replacement: Annotated[str, Field(max_length=10_000, description=r"`\1` and `\g<name>` are groups.")],
    ignore_case: IgnoreCase = False,
    limit: Annotated[int, Field(ge=1, le=10_000, description="Replace at most so many.")] = 1_000,
) -> Replaced:
    """Replaces what a regular expression matches."""
    expression = compiled(pattern, ignore_case)
    pieces, end, count = [], 0, 0
    room = MOST_RESULT
    for found in expression.finditer(text):
        if count == limit:
            break
        pieces += [text[end : found.start()], _expanded(found, replacement)]
        room -= len(pieces[-1])
        if room < 0:
            raise BadArguments(f"the text would be larger than {MOST_RESULT:,} characters: replace less of it.")
        end, count = found.end(), count + 1
    return Replaced("".join(pieces) + text[end:], count)


def _expanded(found: Any, replacement: str) -> str:
    try:
        return str(found.expand(replacement))
    except (IndexError, KeyError, re2.error):
        raise BadArguments(
            "`replacement` names a group that `pattern` does not have: write a backslash twice."
        ) from None


TOOLS = (extract, match, substitute)
