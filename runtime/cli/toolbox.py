"""The tools as a command sees them: those of the code, and where Postgres can be asked those from outside."""

import asyncio
from typing import TYPE_CHECKING

import typer

from ...actors.errors import Unavailable
from ..stack.find import attach
from .flags import settings_of

if TYPE_CHECKING:
    from ...activities.tools.toolbox import Toolbox
    from ...memory.tools import ToolRegistry
    from ..settings import PostgresSettings


def toolbox_of(ctx: typer.Context) -> "Toolbox":
    """For looking and for checking arguments; who calls is a worker."""
    from ..known_tools import known_tools

    settings = settings_of(ctx).settings
    toolbox = known_tools(settings)
    try:
        asyncio.run(_add_outside(toolbox, attach(settings, "postgres.dsn").postgres))
    except Unavailable:
        typer.echo("no stack is running: tools from outside are not among these", err=True)
    return toolbox


async def _add_outside(toolbox: "Toolbox", postgres: "PostgresSettings") -> None:
    from ...memory.tools import ToolRegistry
    from ..lazy_database import LazyDatabase

    database = LazyDatabase(postgres, "tools", pool_size=1)
    registry = ToolRegistry(database.open)
    try:
        if await registry.sources():
            await _take_outside(toolbox, registry)
    finally:
        await database.close()


async def _take_outside(toolbox: "Toolbox", registry: "ToolRegistry") -> None:
    from ...activities.tools.outside.sources import Outside
    from ..secrets import SecretsFromEnvironment
    from ..tool_sources import ToolSources

    await ToolSources(toolbox, registry, Outside(SecretsFromEnvironment())).refresh()
