"""Texts with holes: `Hello ${{ inputs.name }}!`. `$${{` stands for a literal `${{`."""

from functools import lru_cache
from typing import NamedTuple

from .tokens import end_of_hole

OPENING, CLOSING, ESCAPED = "${{", "}}", "$${{"


class Hole(NamedTuple):
    """One expression in a text, and where it begins there."""

    source: str
    start: int


class Template(NamedTuple):
    parts: tuple[str | Hole, ...]
    """Literal texts and holes, in order."""
    unclosed: int | None = None
    """Where a `${{` stands that is never closed."""

    @property
    def holes(self) -> tuple[Hole, ...]:
        return tuple(part for part in self.parts if isinstance(part, Hole))

    @property
    def whole(self) -> Hole | None:
        """The expression, when the text is nothing else: its value keeps its type."""
        match [part for part in self.parts if isinstance(part, Hole) or part.strip()]:
            case [Hole() as hole]:
                return hole
        return None


@lru_cache(maxsize=16_384)
def template(text: str) -> Template:
    parts: list[str | Hole] = []
    literal, at = "", 0
    while (opening := text.find(OPENING, at)) >= 0:
        if opening > 0 and text[opening - 1] == "$":
            literal += text[at : opening - 1] + OPENING
            at = opening + len(OPENING)
            continue
        literal += text[at:opening]
        start = opening + len(OPENING)
        end = end_of_hole(text, start)
        if end is None:
            return Template(tuple(parts), unclosed=opening)
        parts += [literal] * bool(literal)
        parts.append(Hole(text[start:end], start))
        literal, at = "", end + len(CLOSING)
    literal += text[at:]
    return Template((*parts, literal) if literal else tuple(parts))
