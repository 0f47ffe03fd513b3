"""Rows as lines of text, for pipes and files: one line a row, however long, so that what searches finds all of it.

Columns stand below each other where all that is in them is short; a column of prose is as wide as it is, row by row.
"""

from collections.abc import Iterator, Sequence

LONGEST = 40  # characters of a cell, in a column that is aligned
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
    widest = max(map(len, cells))
    return widest if widest <= LONGEST else 0
