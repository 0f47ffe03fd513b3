"""Tools for differences: make one, and apply one."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ..bounded.differences import split_lines, unified
from ..tool import tool
from .bounds import run_bounded
from .hunks import apply_hunks, parse_hunks

MOST_TEXT = 1 << 20
Compared = Annotated[str, Field(max_length=MOST_TEXT)]


@dataclass
class Difference:
    diff: str  # empty: they are the same
    added: int
    removed: int


@dataclass
class Patched:
    text: str
    hunks: int
    moved: int  # hunks that were found at other lines than they say


@tool("text.diff", version="1.0.0", contract="safe-to-retry", tags=("bounded",))
def diff(
    a: Compared,
    b: Compared,
    a_name: Annotated[str, Field(max_length=200)] = "a",
    b_name: Annotated[str, Field(max_length=200)] = "b",
    context: Annotated[int, Field(ge=0, le=100, description="Lines shown around each change.")] = 3,
) -> Difference:
    """Shows what changes one text into another, as a unified diff."""
    return Difference(**run_bounded(unified, a, b, a_name, b_name, context))


@tool("text.patch", version="1.0.0", contract="safe-to-retry")
def patch(
    text: Compared, diff: Annotated[str, Field(max_length=MOST_TEXT, description="A unified diff of one file.")]
) -> Patched:
    """Applies a unified diff to a text. All of it fits, or nothing is changed."""
    hunks = parse_hunks(diff)
    lines, moved = apply_hunks(split_lines(text), hunks)
    return Patched("".join(lines), len(hunks), moved)


TOOLS = (diff, patch)
