"""Tools for YAML and TOML, and from one format of data to another."""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from ..bounded.documents import dump_yaml, parse_toml, parse_yaml
from ..tool import BadArguments, ToolError, tool
from .bounds import run_bounded
from .csv_tables import as_value, read_table, written
from .json_values import OneValue
from .text import OneText

MOST_TEXT = 2 << 20
Text = Annotated[str, Field(max_length=MOST_TEXT)]


@dataclass
class Documents:
    documents: list[JsonValue]


@tool("yaml.parse", version="1.0.0", contract="safe-to-retry", tags=("bounded",))
def parse_yaml_text(text: Text) -> Documents:
    """Reads YAML (1.2): a list of its documents, mostly of one. Dates become texts."""
    return Documents(run_bounded(parse_yaml, text))


@tool("yaml.dump", version="1.0.0", contract="safe-to-retry", tags=("bounded",))
def dump_yaml_text(value: Annotated[JsonValue, Field(description="Any JSON value.")]) -> OneText:
    """Writes a value as YAML, keys in the order given."""
    return OneText(run_bounded(dump_yaml, value))


@tool("toml.parse", version="1.0.0", contract="safe-to-retry", tags=("bounded",))
def parse_toml_text(text: Text) -> OneValue:
    """Reads TOML. Dates and times become texts."""
    return OneValue(run_bounded(parse_toml, text))


@tool("data.convert", version="1.0.0", contract="safe-to-retry", tags=("bounded",))
def convert(
    text: Text,
    source: Annotated[Literal["json", "jsonl", "yaml", "toml", "csv"], Field(description="What it is.")],
    target: Annotated[Literal["json", "jsonl", "yaml", "csv"], Field(description="What it becomes.")],
) -> OneText:
    """Writes data in another format: JSON, JSON lines, YAML, TOML (from it only), CSV."""
    value = read_value(text, source)
    if target == "json":
        return OneText(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
    if target == "yaml":
        return OneText(run_bounded(dump_yaml, value))
    rows = value if isinstance(value, list) else [value]
    if target == "jsonl":
        return OneText("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    if not all(isinstance(row, dict) for row in rows):
        raise ToolError("only a list of objects becomes CSV: choose the list with json.get first.")
    return OneText(_csv(rows))


def _csv(rows: list[Any]) -> str:
    """Lists and objects in cells are written as JSON."""
    flat = [
        {
            name: json.dumps(cell, ensure_ascii=False) if isinstance(cell, dict | list) else cell
            for name, cell in row.items()
        }
        for row in rows
    ]
    return written(flat)


def read_value(text: str, source: str) -> Any:
    match source:
        case "json":
            return parse_json(text)
        case "jsonl":
            return [parse_json(line, number) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        case "yaml":
            documents = run_bounded(parse_yaml, text)
            return documents[0] if len(documents) == 1 else documents
        case "toml":
            return run_bounded(parse_toml, text)
    columns, rows = read_table(text)
    return [dict(zip(columns, map(as_value, row), strict=True)) for row in rows]


def parse_json(text: str, line: int | None = None) -> Any:
    try:
        return json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        at = f"line {line or error.lineno}, column {error.colno}"
        raise ToolError(f"it is no JSON, {at}: {error.msg}. Correct it there.") from None
    except RecursionError:
        raise ToolError("it is JSON that is nested too deep: flatten it.") from None


def _no_number(name: str) -> Any:
    raise BadArguments(f"{name} is no number that JSON knows: write null.")


TOOLS = (parse_yaml_text, dump_yaml_text, parse_toml_text, convert)
