"""Tools for Markdown."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ..tool import ToolError, tool
from .bounds import run_bounded

Markdown = Annotated[str, Field(max_length=1 << 20, description="The Markdown text (CommonMark, with tables).")]


@dataclass
class Html:
    html: str


@dataclass
class Heading:
    level: int
    title: str
    line: int


@dataclass
class Outline:
    headings: list[Heading]


@dataclass
class MarkdownTable:
    columns: list[str]
    rows: list[list[str]]
    line: int


@dataclass
class MarkdownTables:
    tables: list[MarkdownTable]


@tool("markdown.html", version="1.0.0", contract="safe-to-retry", tags=("bounded",))
def to_html(text: Markdown) -> Html:
    """Makes HTML of Markdown. HTML within it is shown as text, and links that run scripts are left out."""
    from ..bounded import markdown

    return Html(run_bounded(markdown.to_html, text))


@tool("markdown.outline", version="1.0.0", contract="safe-to-retry", tags=("bounded",))
def outline(
    text: Markdown, deepest: Annotated[int, Field(ge=1, le=6, description="Headings down to this level.")] = 6
) -> Outline:
    """Lists the headings of a Markdown text, with their levels and lines."""
    from ..bounded import markdown

    headings = (Heading(**one) for one in run_bounded(markdown.outline, text))
    return Outline([heading for heading in headings if heading.level <= deepest])


@tool("markdown.tables", version="1.0.0", contract="safe-to-retry", tags=("bounded",))
def tables(
    text: Markdown, number: Annotated[int | None, Field(ge=1, description="Only this one; the first is 1.")] = None
) -> MarkdownTables:
    """Reads the tables of a Markdown text as data."""
    from ..bounded import markdown

    found = [MarkdownTable(**one) for one in run_bounded(markdown.tables, text)]
    if number is not None and number > len(found):
        raise ToolError(f"the text has {len(found)} tables, not {number}: leave `number` out to see them all.")
    return MarkdownTables(found if number is None else found[number - 1 : number])


TOOLS = (to_html, outline, tables)
