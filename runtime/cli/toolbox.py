"""The tools as a command sees them: those of the code, and where Postgres can be asked those from outside."""

import asyncio
from typing import TYPE_CHECKING

import typer

from ...actors.errors import Unavailable
from ..stack.find import attach
from .flags import settings_of

if TYPE_CHECKING:
    from ...activities.tools.toolbox import Toolbox
    from ..settings import PostgresSettings


def toolbox_of(ctx: typer.Context) -> "Toolbox":
    """For looking and for checking arguments; who calls is a worker."""
    from ..tools import known_tools

    settings = settings_of(ctx).settings
    toolbox = known_tools(settings)
    try:
        asyncio.run(_add_outside(toolbox, attach(settings, "postgres.dsn").postgres))
    except Unavailable:
        typer.echo("no stack is running: tools from outside are not among these", err=True)
    return toolbox


async def _add_outside(toolbox: "Toolbox", postgres: "PostgresSettings") -> None:
    from ...activities.tools.outside.sources import Outside
    from ...memory.tools import ToolRegistry
    from ..lazy_database import LazyDatabase
    from ..secrets import SecretsFromEnvironment
    from ..tool_sources import ToolSources

    database = LazyDatabase(postgres, "tools", pool_size=1)
    try:
        await ToolSources(toolbox, ToolRegistry(database.open), Outside(SecretsFromEnvironment())).refresh()
    finally:
        await database.close()
