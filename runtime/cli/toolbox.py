"""The tools as a command sees them: those of the code; of Postgres, where it can be asked, those that others have."""

import asyncio
from typing import TYPE_CHECKING, Any

import typer

from ...actors.errors import Unavailable
from ..stack.find import attach
from .flags import settings_of

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ...activities.tools.tool import Tool
    from ...activities.tools.toolbox import Toolbox
    from ...memory.tools import ToolRegistry
    from ..settings import PostgresSettings


def toolbox_of(ctx: typer.Context) -> "Toolbox":
    """For looking and for checking arguments; who calls is a worker."""
    from ..known_tools import known_tools

    settings = settings_of(ctx).settings
    toolbox = known_tools(settings)
    try:
        asyncio.run(_add_stored(toolbox, attach(settings, "postgres.dsn").postgres))
    except Unavailable:
        typer.echo("no stack is running: tools from outside and of its workers are not among these", err=True)
    return toolbox


def checked(tool: "Tool", arguments: dict[str, Any]) -> "BaseModel | None":
    """A mistake is told here and now. None: only the tool's own code can tell."""
    from ...activities.tools.outside.json_schema import BadSchema

    try:
        return tool.parse(arguments)
    except BadSchema:
        if tool.seen_elsewhere is None:
            raise
        return None


async def _add_stored(toolbox: "Toolbox", postgres: "PostgresSettings") -> None:
    from ...memory.tools import ToolRegistry
    from ..lazy_database import LazyDatabase
    from ..registered_tools import add_registered

    database = LazyDatabase(postgres, "tools", pool_size=1)
    registry = ToolRegistry(database.open)
    try:
        if sources := [one.source for one in await registry.sources()]:
            await _take_outside(toolbox, registry)
        add_registered(toolbox, await registry.every(), sources)
        toolbox.deprecated = await registry.deprecated()
    finally:
        await database.close()


async def _take_outside(toolbox: "Toolbox", registry: "ToolRegistry") -> None:
    from ...activities.tools.outside.sources import Outside
    from ..secrets import SecretsFromEnvironment
    from ..tool_sources import ToolSources

    await ToolSources(toolbox, registry, Outside(SecretsFromEnvironment())).refresh()
