"""The audit log as a file, with its hashes, so that it can be checked where there is no database.

JSON lines, or CSV where the name ends so; the columns of CSV that are lists are JSON.
"""

import csv
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, TextIO

from ..actors.errors import Rejected
from ..memory.audit import AuditRow

LISTS = ("chain", "reasons")
MAY_BE_NONE = ("run", "verdict", "approval", "grounds")


async def write(rows: AsyncIterator[AuditRow], to: TextIO, *, as_csv: bool) -> int:
    written = 0
    table: csv.DictWriter[str] | None = None
    async for row in rows:
        told = row.as_json()
        if as_csv:
            if table is None:
                table = csv.DictWriter(to, told.keys())
                table.writeheader()
            table.writerow({name: _cell(name, value) for name, value in told.items()})
        else:
            to.write(json.dumps(told) + "\n")
        written += 1
    return written


async def read(path: Path) -> AsyncIterator[AuditRow]:
    if path.suffix == ".csv":
        csv.field_size_limit(1 << 30)
    with _open(path) as file:
        lines = _from_csv(file) if path.suffix == ".csv" else (json.loads(line) for line in file if line.strip())
        number = 0
        while True:
            number += 1
            try:
                yield AuditRow.from_json(next(lines))
            except StopIteration:
                return
            except (ValueError, KeyError, TypeError, AttributeError):
                raise Rejected(
                    f"{path}: row {number} is none of an audit log as `resprout audit export` writes it."
                ) from None


def _open(path: Path) -> TextIO:
    try:
        return path.open(newline="")
    except OSError as error:
        raise Rejected(f"{path} cannot be read: {error.strerror}.") from None


def _cell(name: str, value: Any) -> Any:
    if name in LISTS or name in MAY_BE_NONE:
        return json.dumps(value)
    return value


def _from_csv(file: TextIO) -> Iterator[dict[str, Any]]:
    for cells in csv.DictReader(file):
        told: dict[str, Any] = {**cells, "seq": int(cells["seq"])}
        yield told | {name: json.loads(cells[name]) for name in (*LISTS, *MAY_BE_NONE) if name in cells}
