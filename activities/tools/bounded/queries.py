"""SQL over tables that were read from files: SELECT only, in a database in memory that nobody else sees."""

import json
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

from .process import MB, Refused

SECONDS = 2.0  # of processor time; the process would be killed somewhat later
LONGEST_VALUE = 8 * MB
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
_DENIED_FUNCTIONS = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"}


def select(tables: list[dict[str, Any]], sql: str, parameters: dict[str, Any], limit: int) -> dict[str, Any]:
    database = sqlite3.connect(":memory:")
    for table in tables:
        _load(database, table)
    _narrow(database)
    try:
        cursor = database.execute(sql, parameters)
        rows = cursor.fetchmany(limit + 1)
    except (sqlite3.Error, sqlite3.Warning, MemoryError) as error:
        raise Refused(_said(error)) from None
    columns = [column[0] for column in cursor.description or ()]
    shown = [[_cell(cell) for cell in row] for row in rows[:limit]]
    return {"columns": columns, "rows": shown, "truncated": len(rows) > limit}


def _load(database: sqlite3.Connection, table: dict[str, Any]) -> None:
    columns = ", ".join(_quoted(name) for name in table["columns"])
    database.execute(f"CREATE TABLE {_quoted(table['name'])} ({columns})")
    marks = ", ".join("?" for _ in table["columns"])
    database.executemany(f"INSERT INTO {_quoted(table['name'])} VALUES ({marks})", _stored(table["rows"]))
    database.commit()


def _stored(rows: list[list[Any]]) -> Iterator[list[Any]]:
    for row in rows:
        yield [_storable(cell) for cell in row]


def _storable(cell: Any) -> Any:
    if isinstance(cell, dict | list):
        return json.dumps(cell, ensure_ascii=False)
    return str(cell) if isinstance(cell, int) and not -(2**63) <= cell < 2**63 else cell


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _narrow(database: sqlite3.Connection) -> None:
    """From here on only reading, and not for ever."""
    database.execute("PRAGMA temp_store = MEMORY")  # this process may write no file
    ends = time.process_time() + SECONDS
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
    database.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    database.set_progress_handler(lambda: time.process_time() > ends, 10_000)
    database.set_authorizer(_authorize)


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action == sqlite3.SQLITE_FUNCTION:
        return sqlite3.SQLITE_DENY if second in _DENIED_FUNCTIONS else sqlite3.SQLITE_OK
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


def _said(error: Exception) -> str:
    if "not authorized" in str(error) or "prohibited" in str(error):
        return "`sql` may only SELECT: leave out what changes, attaches or loads something."
    if isinstance(error, MemoryError) or "out of memory" in str(error):
        return "the query takes too much memory (out of memory): select less, or sort fewer rows."
    if "interrupted" in str(error):
        return f"the query took longer than {SECONDS:g} s of processor time: select less, or join by fewer rows."
    return f"`sql` cannot be answered: {error}."


def _cell(cell: Any) -> Any:
    return cell.hex() if isinstance(cell, bytes) else cell
