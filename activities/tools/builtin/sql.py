"""The tool that asks files of data in SQL."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, JsonValue, StringConstraints

from ..bounded.queries import select
from ..manifest import Permission
from ..place import FilePath, reads
from ..tool import ToolCall, ToolError, tool
from ..workspace import MB, Workspace
from .bounds import run_bounded
from .csv_tables import as_value, read_table
from .documents import read_value

MOST_FILE = 8 * MB
TableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]
Scalar = str | int | float | bool | None


@dataclass
class Selected:
    columns: list[str]
    rows: list[list[JsonValue]]
    truncated: bool


def _needs(arguments: Any) -> tuple[Permission, ...]:
    return tuple(reads(path) for path in arguments.tables.values())


@tool(
    "data.sql",
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("files.read",),
    needs=_needs,
    tags=("bounded", "csv", "json"),
)
def query(
    call: ToolCall,
    tables: Annotated[
        dict[TableName, FilePath],
        Field(
            min_length=1, max_length=10, description="Table → file: .csv, .tsv, .json (a list of objects) or .jsonl."
        ),
    ],
    sql: Annotated[str, Field(min_length=1, max_length=20_000, description="A SELECT of SQLite.")],
    parameters: Annotated[dict[str, Scalar], Field(description="What `:name` stands for.")] = {},  # noqa: B006
    limit: Annotated[int, Field(ge=1, le=10_000)] = 1_000,
) -> Selected:
    """Asks files of data (CSV, JSON, JSON lines) in SQL, as tables of SQLite. Only SELECT; nothing is changed."""
    workspace = Workspace(call.workspace)
    loaded = [{"name": name, **_table(workspace, path)} for name, path in tables.items()]
    return Selected(**run_bounded(select, loaded, sql, parameters, limit, seconds=5))


def _table(workspace: Workspace, path: str) -> dict[str, Any]:
    text = workspace.read_text(path, MOST_FILE)
    ending = path.rpartition(".")[2].lower()
    if ending in ("csv", "tsv"):
        columns, rows = read_table(text, "\t" if ending == "tsv" else None)
        return {"columns": columns, "rows": [list(map(as_value, row)) for row in rows]}
    if ending not in ("json", "jsonl", "ndjson"):
        raise ToolError(f"`{path}` is none of .csv, .tsv, .json and .jsonl: convert it first with data.convert.")
    rows = read_value(text, "json" if ending == "json" else "jsonl")
    return _of_objects(path, rows)


def _of_objects(path: str, rows: Any) -> dict[str, Any]:
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise ToolError(f"`{path}` is not a list of objects: choose one with json.get, and write it as a file.")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    # SQLite tells columns apart without capitals.
    if not columns or len({name.lower() for name in columns}) < len(columns) or len(columns) > 1_000:
        raise ToolError(f"`{path}` has no columns, more than 1,000, or two that differ in capitals only: rename them.")
    return {"columns": columns, "rows": [[row.get(name) for name in columns] for row in rows]}


TOOLS = (query,)
