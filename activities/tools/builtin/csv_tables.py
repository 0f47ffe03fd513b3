"""Tools for CSV: read, write, and statistics of columns. A table in JSON is a list of objects."""

import csv
import io
import re
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from ..tool import BadArguments, ToolError, tool

MOST_TEXT = 8 << 20
MOST_ROWS = 50_000
LARGEST_NUMBER = 1e100  # whose squares can still be added up
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,14})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,14})\.[0-9]{1,15}")

CsvText = Annotated[str, Field(max_length=MOST_TEXT, description="The CSV text.")]
Delimiter = Annotated[str | None, Field(min_length=1, max_length=1, description="Found out if you do not say.")]
Header = Annotated[bool, Field(description="The first row has the names of the columns.")]


@dataclass
class Table:
    columns: list[str]
    rows: list[dict[str, JsonValue]]
    truncated: bool


@dataclass
class CsvWritten:
    csv: str
    rows: int


@dataclass
class ColumnStats:
    column: str
    kind: Literal["number", "text", "empty"]
    filled: int
    empty: int
    distinct: int
    most_common: list[tuple[str, int]]
    minimum: float | str | None = None
    maximum: float | str | None = None
    mean: float | None = None
    median: float | None = None
    stdev: float | None = None


@dataclass
class TableStats:
    rows: int
    columns: list[ColumnStats]


@tool("csv.parse", version="1.0.0", contract="safe-to-retry")
def parse(
    text: CsvText,
    delimiter: Delimiter = None,
    header: Header = True,
    numbers: Annotated[
        bool, Field(description="Give what looks like a number as one, and empty cells as null.")
    ] = True,
    limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] = 10_000,
) -> Table:
    """Reads CSV into a list of objects, one for each row."""
    columns, rows = read_table(text, delimiter, header)
    read: list[dict[str, JsonValue]] = []
    for row in rows:
        if len(read) == limit:
            return Table(columns, read, truncated=True)
        read.append({name: as_value(cell) if numbers else cell for name, cell in zip(columns, row, strict=True)})
    return Table(columns, read, truncated=False)


def read_table(text: str, delimiter: str | None = None, header: bool = True) -> tuple[list[str], Iterator[list[str]]]:
    """The names of the columns, and the rows, all as long."""
    separator = delimiter or _guess(text)
    if separator in '"\r\n':
        raise BadArguments(f"`delimiter` cannot be {separator!r}: use a comma, a semicolon or a tab.")
    rows = _rows(text.removeprefix("\ufeff"), separator)
    first = next(rows, None)
    if first is None:
        raise ToolError("`text` has no rows: give it at least the names of the columns.")
    if not header:
        return [f"column{number}" for number in range(1, len(first) + 1)], _even(len(first), _with(first, rows), 1)
    columns = [name.strip() or f"column{number}" for number, name in enumerate(first, 1)]
    twice = next((name for index, name in enumerate(columns) if name in columns[:index]), None)
    if twice is not None:
        raise ToolError(f"two columns are called {twice!r}: rename one, or say `header: false`.")
    return columns, _even(len(columns), rows, 2)


def _with(first: list[str], rest: Iterator[list[str]]) -> Iterator[list[str]]:
    yield first
    yield from rest


def _guess(text: str) -> str:
    first = text.partition("\n")[0]
    return max(",;\t|", key=first.count)


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(MOST_TEXT)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        yield from (row for row in rows if row)
    except csv.Error as error:
        raise ToolError(f"line {rows.line_num} of `text` is no CSV: {error}. Correct it there.") from None


def _even(width: int, rows: Iterator[list[str]], number: int) -> Iterator[list[str]]:
    for at, row in enumerate(rows, number):
        if len(row) > width:
            raise ToolError(
                f"row {at} has {len(row)} cells, but there are {width} columns: put it in quotes, or name them."
            )
        yield row + [""] * (width - len(row))


def as_value(cell: str) -> JsonValue:
    """Only what would be written the same way again is a number: not `007`, not `1e9`, not `nan`."""
    if cell == "":
        return None
    if _INTEGER.fullmatch(cell):
        return int(cell)
    return float(cell) if _DECIMAL.fullmatch(cell) else cell


def as_number(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if "_" not in cell and abs(number) <= LARGEST_NUMBER else None


@tool("csv.write", version="1.0.0", contract="safe-to-retry")
def write(
    rows: Annotated[list[dict[str, Any]] | list[list[Any]], Field(max_length=MOST_ROWS)],
    columns: Annotated[
        list[str] | None, Field(description="Which, in this order; else all that the rows have.")
    ] = None,
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ",",
) -> CsvWritten:
    """Writes rows (objects, or lists of cells) as CSV. What a spreadsheet takes for a formula stays as it is."""
    return CsvWritten(written(rows, columns, delimiter), len(rows))


def written(rows: Sequence[dict[str, Any] | list[Any]], columns: list[str] | None = None, delimiter: str = ",") -> str:
    out = io.StringIO()
    try:
        writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    except (TypeError, ValueError):
        raise BadArguments(f"`delimiter` cannot be {delimiter!r}: use a comma, a semicolon or a tab.") from None
    names = columns or list(dict.fromkeys(name for row in rows if isinstance(row, dict) for name in row))
    if names:
        writer.writerow(names)
    writer.writerows(_cells(rows, names))
    return out.getvalue()


def _cells(rows: Iterable[dict[str, Any] | list[Any]], names: list[str]) -> Iterator[list[Any]]:
    for number, row in enumerate(rows, 1):
        cells = [row.get(name) for name in names] if isinstance(row, dict) else row
        if any(isinstance(cell, dict | list) for cell in cells):
            raise BadArguments(f"row {number} has a list or an object in a cell: turn it into a text or a number.")
        if isinstance(row, list) and names and len(row) != len(names):
            raise BadArguments(
                f"row {number} has {len(row)} cells, but there are {len(names)} columns: make it as long."
            )
        yield ["" if cell is None else str(cell).lower() if isinstance(cell, bool) else cell for cell in cells]


@tool("csv.stats", version="1.0.0", contract="safe-to-retry")
def stats(text: CsvText, delimiter: Delimiter = None, header: Header = True) -> TableStats:
    """Describes each column of a CSV: numbers or text, how many are empty, range, mean, the most common values."""
    columns, rows = read_table(text, delimiter, header)
    every = list(rows)
    return TableStats(len(every), [_described(name, [row[at] for row in every]) for at, name in enumerate(columns)])


def _described(name: str, cells: list[str]) -> ColumnStats:
    filled = [cell for cell in cells if cell != ""]
    counts: dict[str, int] = {}
    for cell in filled:
        counts[cell] = counts.get(cell, 0) + 1
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:5]
    numbers = [number for cell in filled if (number := as_number(cell)) is not None]
    described = ColumnStats(name, "text", len(filled), len(cells) - len(filled), len(counts), most_common=common)
    if not filled:
        return replace(described, kind="empty")
    if len(numbers) < len(filled):
        return replace(described, minimum=min(filled), maximum=max(filled))
    return replace(
        described,
        kind="number",
        minimum=min(numbers),
        maximum=max(numbers),
        mean=statistics.fmean(numbers),
        median=statistics.median(numbers),
        stdev=statistics.stdev(numbers) if len(numbers) > 1 else 0.0,
    )


TOOLS = (parse, write, stats)
