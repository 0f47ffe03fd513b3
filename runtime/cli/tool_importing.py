"""What every import of tools is done with: the registry, policy and the audit log of the stack."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import typer

from ...actors.errors import Rejected
from .. import identity
from ..stack.find import attach
from .flags import settings_of

if TYPE_CHECKING:
    from ...activities.tools.outside.sources import Origin
    from ...activities.tools.tool import Tool
    from ..settings import Settings
    from ..tool_imports import ToolImports

    MakesTools = Callable[[str, str, Origin], Awaitable[list[Tool]]]
    Work = Callable[[ToolImports, MakesTools], Awaitable[None]]


def importing(ctx: typer.Context, source: str, work: "Work") -> None:
    settings = attach(settings_of(ctx).settings, "postgres.dsn")
    _refuse_taken(settings, source)
    asyncio.run(_go(settings, work))


async def _go(settings: "Settings", work: "Work") -> None:
    from ...activities.tools.outside.sources import Outside
    from ...memory.audit import Audit
    from ...memory.tools import ToolRegistry
    from ..lazy_database import LazyDatabase
    from ..policy.opening import policy_of
    from ..secrets import SecretsFromEnvironment
    from ..tool_imports import ToolImports

    database = LazyDatabase(settings.postgres, "import of tools", pool_size=2)
    outside = Outside(SecretsFromEnvironment())
    try:
        imports = ToolImports(
            ToolRegistry(database.open), policy_of(settings, database.open), Audit(database.open), identity.user()
        )
        await work(imports, outside.tools)
    finally:
        await outside.close()
        await database.close()


def _refuse_taken(settings: "Settings", source: str) -> None:
    """A family of our own is nobody else's: `http.get` must not come to mean another tool."""
    from ..known_tools import known_tools

    family = source.partition(":")[2].partition(".")[0]
    if any(one.manifest.family == family for one in known_tools(settings)):
        raise Rejected(f"there are tools {family}.… already: give the imported ones another name.")
