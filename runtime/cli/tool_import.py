"""`resprout tool import mcp | openapi | FILE`, `tool sources`, `tool remove`: tools that others have written."""

import json
import shutil
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from ...actors.duration import format_duration, parse_duration
from ...actors.errors import NotFound, Rejected
from .hints import as_given
from .plain_text import plain_text
from .queries import print_json, print_rows, query
from .run_options import AsJson
from .tool_importing import importing

if TYPE_CHECKING:
    from ...activities.tools.outside.choices import Choices, Hint
    from ...activities.tools.outside.mcp_import import Imported
    from ...activities.tools.tool import Tool
    from ..tool_imports import ToolImports

Family = Annotated[str, typer.Argument(metavar="NAME", help="The family that its tools will have, as in NAME.search.")]
Only = Annotated[list[str] | None, typer.Option("--only", metavar="GLOB", help="These tools alone; may be repeated.")]
Contract = Annotated[
    list[str] | None,
    typer.Option("--contract", metavar="[GLOB=]C", help="safe-to-retry, keyed or at-most-once (the default)."),
]
Danger = Annotated[
    list[str] | None, typer.Option("--danger", metavar="[GLOB=]D", help="none, low, medium or high (the default).")
]
Timeout = Annotated[str, typer.Option("--timeout", metavar="TIME", help="How long a call may take.")]
Trust = Annotated[bool, typer.Option("--trust-hints", help="Take what the other side says of its tools as true.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Look = Annotated[bool, typer.Option("--look", help="Show what would be imported, and import nothing.")]


class FileOrKind(TyperGroup):
    """`import weather.tool.yaml` is `import file weather.tool.yaml`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["file", *args]
        return super().parse_args(ctx, args)


def register(tool: typer.Typer) -> None:
    from . import tool_files, tool_openapi

    imports = typer.Typer(cls=FileOrKind, no_args_is_help=True, help="Import tools: mcp, openapi, or a FILE.tool.yaml.")
    imports.command("mcp")(mcp)
    imports.command("openapi")(tool_openapi.openapi)
    imports.command("file")(tool_files.file)
    tool.command("new")(tool_files.new)
    tool.add_typer(imports, name="import")
    tool.command("sources")(sources)
    tool.command("remove")(remove)


def mcp(
    ctx: typer.Context,
    name: Family,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND ARGS…]", help="The program that is the server.")
    ] = None,
    url: Annotated[str | None, typer.Option("--url", help="Where it answers streamable HTTP, instead.")] = None,
    env: Annotated[
        list[str] | None, typer.Option("--env", metavar="K=V", help="For the program; V may be secret://name.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", metavar="K=V", help="With each request; V may be secret://name.")
    ] = None,
    directory: Annotated[Path | None, typer.Option("--directory", help="Where the program is started.")] = None,
    only: Only = None,
    contract: Contract = None,
    danger: Danger = None,
    timeout: Timeout = "60s",
    trust_hints: Trust = False,
    look: Look = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Import the tools of an MCP server, as they are now: one that changes is refused until it is imported anew.

    What is not said is the strictest: danger high, at most once. Policy decides on each call, as for any tool.
    """
    from ...activities.tools.outside.mcp_import import import_mcp
    from ...activities.tools.outside.mcp_origin import McpOrigin
    from ...activities.tools.outside.mcp_session import McpSession
    from ...activities.tools.outside.naming import family_name
    from ..secrets import SecretsFromEnvironment

    choices = choices_of(only, contract, danger, timeout, takes_hints=trust_hints)
    origin = McpOrigin(
        **_reached(command or [], url),
        env=_texts(env, "--env"),
        headers=_texts(header, "--header"),
        directory=str(directory.absolute()) if directory is not None else None,
    )
    source = f"mcp:{family_name(name)}"

    async def read(imports: "ToolImports") -> "Imported":
        await imports.allow(source, origin.permissions)
        session = McpSession(name, origin, SecretsFromEnvironment())
        try:
            return import_mcp(name, origin, await session.tools(), choices, await imports.known())
        finally:
            await session.close()

    def plain(imported: "Imported") -> dict[str, Any]:
        return imported.origin.model_dump(mode="json")

    bring_in(ctx, source, "mcp", read, plain, look=look, yes=yes, as_json=as_json)


def bring_in(
    ctx: typer.Context,
    source: str,
    kind: str,
    read: "Callable[[ToolImports], Awaitable[Any]]",
    plain: Callable[[Any], dict[str, Any]],
    *,
    look: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Reads the other side's word, shows it, asks, and imports. `read` gives what has `hints` and `left_out`."""

    async def go(imports: "ToolImports", tools_of: Any) -> None:
        found = await read(imports)
        origin = plain(found)
        tools = await tools_of(source, kind, origin)
        _show(tools, found.hints, found.left_out, as_json=as_json)
        if look:
            return
        if not tools:
            raise NotFound(f"{source} has no tool that can be imported.")
        if not yes and typer.get_text_stream("stdin").isatty():
            typer.confirm(f"import {len(tools)} tools as they stand here?", abort=True, err=True)
        await imports.add(source, kind, origin, tools)
        hint = as_given(f"look at one with `resprout tool show {tools[0].name}`")
        typer.echo(f"{len(tools)} tools are imported: {hint}", err=True)

    importing(ctx, source, go)


def choices_of(
    only: list[str] | None, contract: list[str] | None, danger: list[str] | None, timeout: str, *, takes_hints: bool
) -> "Choices":
    from ...activities.tools.manifest import LONGEST_CALL
    from ...activities.tools.outside.choices import Choices, contracts_of, dangers_of

    try:
        length = parse_duration(timeout)
    except ValueError as error:
        raise Rejected(f"--timeout: {error}") from None
    if not timedelta(seconds=1) <= length <= LONGEST_CALL:
        raise Rejected(f"--timeout {timeout}: write a time between 1s and {format_duration(LONGEST_CALL)}.")
    return Choices(tuple(only or ()), contracts_of(contract or ()), dangers_of(danger or ()), length, takes_hints)


def sources(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List where tools come from that are no code of ours."""
    from ...memory.tools import ToolRegistry

    found = query(ctx, lambda database: ToolRegistry(database.opened).sources())
    if as_json:
        print_json(found)
        return
    print_rows(
        ("source", "tools", "imported by", "at"),
        ((one.source, len(one.origin.get("tools", ())), one.added_by, one.added_at) for one in found),
    )


def remove(ctx: typer.Context, source: Annotated[str, typer.Argument(help="As in mcp:time.")]) -> None:
    """Take out a source and all its tools. What they did stays on record."""

    async def go(imports: "ToolImports", _: Any) -> None:
        await imports.remove(source)

    importing(ctx, source, go)
    typer.echo(f"{source} is removed")


def _reached(command: list[str], url: str | None) -> dict[str, Any]:
    from ...activities.tools.outside.mcp_origin import is_web

    if bool(command) == (url is not None):
        raise Rejected("say how the server is reached: `-- COMMAND ARGS…` or --url URL.")
    if url is not None:
        if not is_web(url):
            raise Rejected(f"{url[:100]!r} is no URL of a server: write it as in https://example.org/mcp.")
        return {"url": url}
    found = shutil.which(command[0])
    if found is None:
        raise NotFound(f"there is no program {command[0]}: install it, or write its whole path.")
    return {"command": (str(Path(found).absolute()), *command[1:])}  # what PATH means later does not matter


def _texts(pairs: list[str] | None, option: str) -> dict[str, str]:
    """As they stand: 1 and true are texts here."""
    parted = [pair.partition("=") for pair in pairs or []]
    for name, sign, _ in parted:
        if not sign or not name:
            raise Rejected(f"{option} {name}: write it as K=V, as in {option} TOKEN=secret://token.")
    return {name: value for name, _, value in parted}


def _show(tools: "list[Tool]", hints: "dict[str, Hint]", left_out: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        shown = [one.manifest.model_dump(mode="json") | {"says": hints[one.name].said} for one in tools]
        typer.echo(json.dumps({"tools": shown, "left_out": list(left_out)}))
        return
    print_rows(
        ("tool", "what it says that it does", "permissions", "danger", "after a crash", "hint"),
        (
            (
                one.manifest.reference,
                " ".join(one.manifest.description.split())[:160],
                ", ".join(one.manifest.permissions),
                one.manifest.danger,
                one.manifest.contract,
                hints[one.name].said,
            )
            for one in tools
        ),
    )
    for one in left_out:
        typer.secho(f"left out: {plain_text(one)}", fg="yellow", err=True)
