"""Markdown (CommonMark with tables), without raw HTML: what looks like a tag is shown as text."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token


def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def to_html(text: str) -> str:
    return str(_parser().render(text))


def outline(text: str) -> list[dict[str, Any]]:
    tokens = _parser().parse(text)
    return [
        {"level": int(token.tag[1:]), "title": _plain(tokens[at + 1]), "line": (token.map or [0])[0] + 1}
        for at, token in enumerate(tokens)
        if token.type == "heading_open"
    ]


def tables(text: str) -> list[dict[str, Any]]:
    found = []
    for line, cells in groupby(_cells(_parser().parse(text)), key=lambda cell: cell[0]):
        rows = [[said for _, _, said in row] for _, row in groupby(cells, key=lambda cell: cell[1])]
        found.append({"columns": rows[0], "rows": rows[1:], "line": line})
    return found


def _cells(tokens: Sequence[Token]) -> Iterator[tuple[int, int, str]]:
    """Line of the table, number of the row in it, what it says."""
    table = row = 0
    for at, token in enumerate(tokens):
        if token.type == "table_open":
            table, row = (token.map or [0])[0] + 1, 0
        elif token.type == "tr_open":
            row += 1
        elif token.type in ("th_open", "td_open"):
            yield table, row, _plain(tokens[at + 1])


def _plain(inline: Token) -> str:
    """Without the marks of Markdown."""
    kinds = {"text": None, "code_inline": None, "softbreak": " ", "hardbreak": " "}
    pieces = (kinds[token.type] or token.content for token in inline.children or () if token.type in kinds)
    return "".join(pieces).strip()
