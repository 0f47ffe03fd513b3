"""A unified diff read and applied: pure, and strict. Each hunk must fit exactly; it may have moved by some lines."""

import re
from dataclasses import dataclass

from ..bounded.differences import split_lines
from ..tool import BadArguments, ToolError

FARTHEST = 200  # lines that a hunk may have moved
_HEAD = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")


@dataclass(frozen=True)
class Hunk:
    start: int  # line of the old text, from 0
    old: list[str]
    new: list[str]


def parse_hunks(diff: str) -> list[Hunk]:
    lines = split_lines(diff)
    hunks: list[Hunk] = []
    at = 0
    while at < len(lines):
        head = _HEAD.match(lines[at])
        if head is None:
            if hunks and lines[at].startswith(("--- ", "diff ")):
                raise BadArguments(f"`diff` is of several files (line {at + 1}): give one file's part at a time.")
            at += 1
            continue
        hunk, at = _hunk(lines, at, head)
        hunks.append(hunk)
    if not hunks:
        raise BadArguments("`diff` has no hunk: it needs lines like `@@ -1,3 +1,4 @@`, as text.diff writes them.")
    return hunks


def _hunk(lines: list[str], at: int, head: re.Match[str]) -> tuple[Hunk, int]:
    olds, news = (int(head[group]) if head[group] else 1 for group in (2, 4))
    said = at + 1
    old: list[str] = []
    new: list[str] = []
    at += 1
    while at < len(lines) and (len(old) < olds or len(new) < news or lines[at].startswith("\\")):
        kind, line = lines[at][:1], lines[at][1:]
        if kind == "\\":
            _cut_last(old, new, lines[at - 1][:1])
        elif kind == "\n":  # an empty line whose blank was lost on the way
            old.append("\n")
            new.append("\n")
        elif kind in " -+":
            old += [line] * (kind != "+")
            new += [line] * (kind != "-")
        else:
            break
        at += 1
    if (len(old), len(new)) != (olds, news):
        raise BadArguments(
            f"the hunk at line {said} of `diff` does not have as many lines as its head says: correct it."
        )
    return Hunk(int(head[1]) - (olds > 0), old, new), at


def _cut_last(old: list[str], new: list[str], kind: str) -> None:
    """The line before has no end in its file."""
    for side, kinds in ((old, " -"), (new, " +")):
        if side and kind in kinds:
            side[-1] = side[-1].removesuffix("\n")


def apply_hunks(lines: list[str], hunks: list[Hunk]) -> tuple[list[str], int]:
    """The new lines, and how many hunks had moved."""
    made: list[str] = []
    done = shift = moved = 0
    for number, hunk in enumerate(hunks, 1):
        at = _place(lines, hunk, hunk.start + shift, done)
        if at is None:
            raise ToolError(
                f"hunk {number} (line {hunk.start + 1}) does not fit the text: make the diff again, from the text as "
                "it is now."
            )
        made += lines[done:at] + hunk.new
        moved += at != hunk.start
        shift, done = at - hunk.start, at + len(hunk.old)
    return made + lines[done:], moved


def _place(lines: list[str], hunk: Hunk, wanted: int, earliest: int) -> int | None:
    for distance in range(FARTHEST if hunk.old else 1):
        for at in (wanted - distance, wanted + distance):
            if earliest <= at <= len(lines) and lines[at : at + len(hunk.old)] == hunk.old:
                return at
    return None
