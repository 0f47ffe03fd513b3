"""Asking Postgres from a command, and printing rows."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from rich.table import Column, Table
from rich.text import Text

from ..stack.find import attach
from .flags import settings_of

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


def print_json(rows: Iterable[Any]) -> None:
    """A list of dataclasses as one line of JSON."""
    typer.echo(json.dumps([asdict(row) for row in rows], default=str))


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    from .stack_view import console

    table = Table(*(Column(name, overflow="fold") for name in columns), box=None, header_style="bold")
    for row in rows:
        table.add_row(*(Text(_shown(value)) for value in row))
    console().print(table)


def _shown(value: object) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case bool():
            return "yes" if value else ""
        case _:
            return str(value)
