"""Asking Postgres from a command, and printing rows."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from rich.table import Column, Table
from rich.text import Text

from ...actors.errors import NotFound
from ..stack.find import attach
from .flags import settings_of
from .plain_text import sentence
from .row_lines import row_lines

if TYPE_CHECKING:
    from ...memory.database import Database

Result = TypeVar("Result")


def query(ctx: typer.Context, ask: "Callable[[Database], Awaitable[Result]]") -> Result:
    from ...memory.database import Database

    settings = attach(settings_of(ctx).settings, "postgres.dsn")

    async def run() -> Result:
        assert settings.postgres.dsn is not None
        async with await Database.open(settings.postgres.dsn.get_secret_value(), pool_size=1) as database:
            return await ask(database)

    return asyncio.run(run())


def refuse_unknown_kind(ctx: typer.Context, kind: str) -> None:
    """An empty list of a kind that there is not would hide a misspelling."""
    from ...memory.registry import Registry

    known = [row.kind for row in query(ctx, lambda database: Registry(database).kinds())]
    if kind not in known:
        near = get_close_matches(kind, known, n=3)
        hint = f"Nearest: {', '.join(near)}. " if near else ""
        raise NotFound(f"there is no kind {kind!r}. {hint}`resprout agent kinds` lists them.")


def print_json(rows: Iterable[Any]) -> None:
    """A list of dataclasses as one line of JSON."""
    typer.echo(json.dumps([asdict(row) for row in rows], default=str))


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """As a table on a terminal, as lines elsewhere."""
    from .stack_view import console

    shown = [[_shown(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        for line in row_lines(columns, shown):
            typer.echo(line)
        return
    table = Table(*(Column(name, overflow="fold") for name in columns), box=None, header_style="bold")
    for cells in shown:
        table.add_row(*map(Text, cells))
    console().print(table)


def print_facts(told: Mapping[str, object], width: int = 12) -> None:
    """What one thing says of itself, a line each; what it does not say is left out."""
    for name, value in told.items():
        if value not in (None, "", [], {}):
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            typer.echo(f"{typer.style(name.ljust(width), dim=True)}{sentence(shown)}")


def _shown(value: object) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case bool():
            return "yes" if value else ""
        case _:
            return sentence(str(value))
