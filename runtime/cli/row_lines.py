"""Rows as lines of text, for pipes and files: one line a row, however long, so that what searches finds all of it.

Columns stand below each other; a cell of prose that is longer than most moves what is behind it, in its row only.
"""

from collections.abc import Iterator, Sequence

LONGEST = 80  # characters of a cell for which the others of its column make room
BETWEEN = "  "
NOTHING = "-"  # else a row with a hole in it reads as another one


def row_lines(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    cells = [[_one_line(cell) for cell in row] for row in (columns, *rows)]
    widths = [_width([row[number] for row in cells]) for number in range(len(columns))]
    for row in cells:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield BETWEEN.join(padded).rstrip()


def _one_line(cell: str) -> str:
    return " ".join(cell.split("\n")).strip() or NOTHING


def _width(cells: Sequence[str]) -> int:
    """The first is the name of the column."""
    return max(len(cell) for cell in cells if len(cell) <= LONGEST)
