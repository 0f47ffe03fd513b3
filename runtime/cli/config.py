"""`resprout config show` and `resprout migrate`."""

import asyncio
import json
from typing import Annotated, Any

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from ..settings import Settings, keys_of, value_of
from ..stack.find import attach
from .flags import settings_of


def register(app: typer.Typer) -> None:
    config = typer.Typer(no_args_is_help=True, help="The settings in force.")
    config.command("show")(show)
    app.add_typer(config, name="config")
    app.command("migrate")(migrate)


def show(
    ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False
) -> None:
    """Show every setting, its value (secrets hidden) and where it came from."""
    loaded = settings_of(ctx)
    rows = {".".join(key): (_shown(loaded.settings, key), loaded.origin[key]) for key in keys_of(loaded.settings)}
    if as_json:
        typer.echo(json.dumps({name: {"value": v, "from": o} for name, (v, o) in rows.items()}, indent=2))
        return
    table = Table("setting", "value", "from", box=None, header_style="bold")
    for name, (value, origin) in rows.items():
        style = "dim" if origin == "default" else None
        table.add_row(name, "-" if value is None else str(value), origin, style=style)
    Console(markup=False, emoji=False).print(table)  # a value may hold brackets


def _shown(settings: Settings, key: tuple[str, ...]) -> Any:
    value = value_of(settings, key)
    if isinstance(value, SecretStr):
        return "********"
    return value if isinstance(value, (int, bool)) or value is None else str(value)


def migrate(
    ctx: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if migrations are missing.")] = False,
) -> None:
    """Bring the database schema up to date. Safe to run twice, or two at once."""
    settings = attach(settings_of(ctx).settings, "postgres.dsn")
    from ...memory.migrate import migrate as run_migrations
    from ...memory.migrate import pending

    assert settings.postgres.dsn is not None
    dsn = settings.postgres.dsn.get_secret_value()
    if check:
        missing = asyncio.run(pending(dsn))
        typer.echo("\n".join(f"missing  {name}" for name in missing) or "The schema is up to date.")
        raise typer.Exit(1 if missing else 0)
    applied = asyncio.run(run_migrations(dsn))
    typer.echo("\n".join(f"applied  {name}" for name in applied) or "The schema is up to date.")
