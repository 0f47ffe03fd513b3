"""`resprout mcp serve`: our tools, for whoever speaks MCP."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from ...actors.errors import Rejected
from .flags import settings_of

if TYPE_CHECKING:
    from ..settings import Settings


def register(app: typer.Typer) -> None:
    mcp = typer.Typer(no_args_is_help=True, help="Serve tools by the Model Context Protocol.")
    mcp.command("serve")(serve)
    app.add_typer(mcp, name="mcp")


def serve(
    ctx: typer.Context,
    http: Annotated[
        str | None, typer.Option("--http", metavar="HOST:PORT", help="By streamable HTTP, at /mcp; else by stdio.")
    ] = None,
    tools: Annotated[
        list[str] | None, typer.Option("--tools", metavar="GLOB", help="These alone, as in 'text.*'; may be repeated.")
    ] = None,
    token: Annotated[
        str | None, typer.Option("--token", metavar="secret://NAME", help="What clients must bring as a bearer token.")
    ] = None,
    wait: Annotated[int, typer.Option("--wait", min=1, max=3600, help="Seconds that a call is kept open.")] = 50,
    tenant: Annotated[str, typer.Option("--tenant", help="In whose name calls count.")] = "default",
) -> None:
    """Serve the tools of this stack. Every call is decided by policy: for you, and for service:mcp:CLIENT.

    A client configures the command `resprout mcp serve`, or the URL. What needs approval is told to it in words, and
    the same call again gives the result.
    """
    from ..stack.find import attach

    host, port = _address(http) if http is not None else ("", 0)
    secret = _secret(token) if token is not None else None
    settings = attach(settings_of(ctx).settings, "temporal.address", "postgres.dsn")
    patience = timedelta(seconds=wait)
    asyncio.run(_serve(settings, tuple(tools or ("*",)), (host, port, secret) if http else None, patience, tenant))


async def _serve(
    settings: "Settings",
    patterns: tuple[str, ...],
    http: tuple[str, int, str | None] | None,
    patience: timedelta,
    tenant: str,
) -> None:
    from ...activities.tools.outside.sources import Outside
    from ...memory.tools import ToolRegistry
    from .. import temporal
    from ..known_tools import known_tools
    from ..lazy_database import LazyDatabase
    from ..mcp_calls import McpCalls
    from ..mcp_server import McpFront
    from ..runs import Runs
    from ..secrets import SecretsFromEnvironment
    from ..tool_sources import ToolSources

    temporal.keep_retries_quiet()
    database = LazyDatabase(settings.postgres, "mcp", pool_size=2)
    outside = Outside(SecretsFromEnvironment())
    try:
        calls = McpCalls(Runs(await temporal.client_of(settings), settings.temporal), patience, tenant)
        sources = ToolSources(known_tools(settings), ToolRegistry(database.open), outside)
        front = McpFront(calls, sources, patterns)
        if http is None:
            await front.serve_stdio()
        else:
            await front.serve_http(*http, lambda url: typer.echo(f"serving {url}", err=True))
    finally:
        await outside.close()
        await database.close()


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise Rejected(f"--http {text}: write it as HOST:PORT, as in 127.0.0.1:8765.")
    return host.strip("[]"), int(port)


def _secret(reference: str) -> str:
    from ..secrets import SecretsFromEnvironment

    prefix, _, name = reference.partition("secret://")
    if prefix or not name:
        raise Rejected("--token: give it by reference, as in --token secret://mcp-token.")
    return SecretsFromEnvironment().value(name)
