"""Tools for plain text: counting, replacing, splitting, shortening, letters."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ..bounded.differences import similarity
from ..tool import BadArguments, tool
from .bounds import run_bounded
from .patterns import Replaced

MOST_TEXT = 4 << 20
Text = Annotated[str, Field(max_length=MOST_TEXT, description="The text.")]
Count = Annotated[int, Field(ge=1, le=MOST_TEXT)]


@dataclass
class TextCounts:
    characters: int
    words: int
    lines: int
    sentences: int
    paragraphs: int
    bytes: int
    occurrences: int | None


@dataclass
class Chunks:
    chunks: list[str]


@dataclass
class OneText:
    text: str


@dataclass
class Truncated:
    text: str
    truncated: bool


@dataclass
class Similarity:
    ratio: float  # from 0, nothing in common, to 1, the same


@tool("text.count", version="1.0.0", contract="safe-to-retry")
def count(
    text: Text, of: Annotated[str | None, Field(min_length=1, description="Count where this occurs, too.")] = None
) -> TextCounts:
    """Counts characters, words, lines, sentences, paragraphs and bytes of a text, and where a piece of text occurs."""
    return TextCounts(
        characters=len(text),
        words=len(text.split()),
        lines=text.count("\n") + (text != "" and not text.endswith("\n")),
        sentences=len(re.findall(r"[.!?…。]+(?=\s|$)", text)),
        paragraphs=sum(bool(part.strip()) for part in re.split(r"\n[ \t]*\n", text)),
        bytes=len(text.encode()),
        occurrences=None if of is None else text.count(of),
    )


@tool("text.replace", version="1.0.0", contract="safe-to-retry")
def replace(
    text: Text,
    old: Annotated[str, Field(min_length=1, max_length=MOST_TEXT)],
    new: Annotated[str, Field(max_length=MOST_TEXT)],
    limit: Annotated[int | None, Field(ge=1, description="Replace at most so many, from the beginning.")] = None,
) -> Replaced:
    """Replaces one piece of text by another, as it is written (no pattern)."""
    found = min(text.count(old), limit or MOST_TEXT)
    if len(text) + found * (len(new) - len(old)) > MOST_TEXT:
        raise BadArguments(f"the text would be larger than {MOST_TEXT:,} characters: replace less of it.")
    return Replaced(text.replace(old, new, found), found)


@tool("text.split", version="1.0.0", contract="safe-to-retry")
def split(
    text: Text,
    size: Annotated[int, Field(ge=10, le=100_000, description="Characters of a chunk, at most.")] = 2_000,
    overlap: Annotated[int, Field(ge=0, le=50_000, description="Characters that a chunk repeats of the last one.")] = 0,
) -> Chunks:
    """Splits a text into chunks, between paragraphs, lines, sentences or words where that is possible."""
    if overlap > size // 2:
        raise BadArguments(f"`overlap` is {overlap}, more than half of `size`: make it {size // 2} or less.")
    return Chunks(chunks_of(text, size, overlap))


def chunks_of(text: str, size: int, overlap: int) -> list[str]:
    chunks, start = [], 0
    while start < len(text):
        end = _cut(text, start, size)
        chunks.append(text[start:end])
        start = end if end == len(text) else max(end - overlap, start + 1)
    return chunks


def _cut(text: str, start: int, size: int) -> int:
    """Where a chunk ends: in its second half, behind what separates best."""
    most = start + size
    if most >= len(text):
        return len(text)
    for separator in ("\n\n", "\n", ". ", " "):
        at = text.rfind(separator, start + size // 2 + 1, most)
        if at >= 0:
            return at + len(separator)
    return most


@tool("text.similarity", version="1.0.0", contract="safe-to-retry", tags=("bounded",))
def compare(
    a: Annotated[str, Field(max_length=200_000)],
    b: Annotated[str, Field(max_length=200_000)],
    by: Annotated[Literal["characters", "words", "lines"], Field(description="What is compared.")] = "words",
) -> Similarity:
    """Says how much two texts have in common, from 0 to 1."""
    return Similarity(run_bounded(similarity, a, b, by))


@tool("text.slug", version="1.0.0", contract="safe-to-retry")
def slug(text: Text, max_length: Annotated[int, Field(ge=1, le=200)] = 80) -> OneText:
    """Makes a name for files and addresses of a title: small letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", text[:10_000].replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    made = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:max_length].rstrip("-")
    if not made:
        raise BadArguments(
            "`text` has no letter or digit that a slug could be made of: give it a name in Latin letters."
        )
    return OneText(made)


@tool("text.truncate", version="1.0.0", contract="safe-to-retry")
def truncate(
    text: Text,
    length: Count,
    unit: Literal["characters", "words", "lines"] = "characters",
    ending: Annotated[str, Field(max_length=100, description="What shows that something is missing.")] = "…",
) -> Truncated:
    """Shortens a text to so many characters, words or lines."""
    if unit == "characters":
        if len(text) <= length:
            return Truncated(text, truncated=False)
        if len(ending) > length:
            raise BadArguments(f"`ending` is longer than {length} characters: give a shorter one.")
        return Truncated(text[: length - len(ending)] + ending, truncated=True)
    pieces = re.findall(r"\S+\s*" if unit == "words" else r"[^\n]*\n|[^\n]+", text)
    if len(pieces) <= length:
        return Truncated(text, truncated=False)
    return Truncated("".join(pieces[:length]).rstrip() + ending, truncated=True)


@tool("text.case", version="1.0.0", contract="safe-to-retry")
def case(
    text: Text, to: Literal["lower", "upper", "title", "sentence", "snake", "kebab", "camel", "pascal"]
) -> OneText:
    """Writes a text in other letters, or makes a name of it: snake_case, kebab-case, camelCase, PascalCase."""
    simple = {"lower": text.lower, "upper": text.upper, "title": text.title, "sentence": text.capitalize}
    if to in simple:
        return OneText(simple[to]())
    words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+", text)]
    if not words:
        raise BadArguments("`text` has no word that a name could be made of: give it letters or digits.")
    if to in ("snake", "kebab"):
        return OneText(("_" if to == "snake" else "-").join(words))
    first = words[0] if to == "camel" else words[0].capitalize()
    return OneText(first + "".join(word.capitalize() for word in words[1:]))


TOOLS = (count, replace, split, compare, slug, truncate, case)
