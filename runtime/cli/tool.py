"""`resprout tool list | show | search | call`: the tools there are, and calling one by hand."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...actors.errors import Rejected
from .hints import as_given
from .inputs import read_inputs, read_pairs
from .plain_text import plain_text
from .queries import print_facts, print_rows
from .run_options import AsJson, Detach, NewId, with_runs
from .tool_import import register as register_import
from .tool_records import deprecate, history, quota, sessions, usage
from .toolbox import checked, toolbox_of

if TYPE_CHECKING:
    from ...activities.tools.tool import Tool
    from ..runs import Runs

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name, as in text.count, or text.count@1.2.")]


def register(app: typer.Typer) -> None:
    tool = typer.Typer(no_args_is_help=True, help="What agents and flows act with: list, look, call.")
    for command in (list_, show, search, call, history, usage, sessions, deprecate):
        tool.command(command.__name__.rstrip("_"))(command)
    register_import(tool)
    tool.add_typer(quota, name="quota")
    app.add_typer(tool, name="tool")


def list_(
    ctx: typer.Context,
    family: Annotated[str | None, typer.Option("--family", help="Only of this family, as in `text`.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Older and deprecated versions too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the tools."""
    toolbox = toolbox_of(ctx)
    found = [one for one in (toolbox if every else toolbox.newest()) if family in (None, one.manifest.family)]
    if not found:
        families = ", ".join(sorted({one.manifest.family for one in toolbox}))
        raise Rejected(f"there is no family {family!r}: write one of {families}.")
    _print_tools(found, as_json=as_json)


def search(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(help="What it should do, in a few words.")],
    as_json: AsJson = False,
) -> None:
    """Find tools by words of their names, descriptions and tags, the best first."""
    found = toolbox_of(ctx).search(" ".join(words))
    if not found and not as_json:
        typer.echo(as_given("no tool has these words: see all with `resprout tool list`"))
        return
    _print_tools(found, as_json=as_json)


def show(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show a tool: what it takes and gives, what it may do to the world, and what a crash means."""
    found = toolbox_of(ctx).find(name)
    manifest = found.manifest
    if as_json:
        typer.echo(json.dumps(_told(found) | {"input": manifest.input, "output": manifest.output}))
        return
    typer.secho(manifest.reference, bold=True)
    typer.echo(f"{plain_text(manifest.description)}\n")
    rate = f"{manifest.rate.calls} calls in {manifest.rate.per.total_seconds():g} s" if manifest.rate else None
    facts = {
        "source": found.source,
        "code": _elsewhere(found),
        "permissions": ", ".join(manifest.permissions) or "none",
        "danger": manifest.danger,
        "after a crash": manifest.contract,
        "timeout": f"{manifest.timeout.total_seconds():g} s",
        "rate": rate,
        "deprecated": manifest.deprecated,
        "tags": ", ".join(manifest.tags),
    }
    print_facts(facts, width=14)
    typer.secho("\narguments", bold=True)
    properties, required = manifest.input.get("properties") or {}, manifest.input.get("required") or []
    assert isinstance(properties, dict)
    assert isinstance(required, list)
    rows = [_argument(word, schema, word in required) for word, schema in properties.items()]
    print_rows(("name", "type", "default", "what"), rows) if rows else typer.echo("none")


def call(
    ctx: typer.Context,
    name: Name,
    words: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    arguments: Annotated[
        list[str] | None, typer.Option("--arg", "-a", metavar="K=V", help="An argument; V is JSON or plain text.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--arg-file", help="A JSON file with arguments; --arg wins.")] = None,
    run_id: NewId = None,
    tenant: Annotated[str, typer.Option("--tenant", help="In whose name it counts.")] = "default",
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Call a tool as a durable step: decided by policy, recorded, done as its contract says.

    What needs approval waits for it: see `resprout approvals list` in another terminal.
    """
    if words:
        pairs = [part for word in words for part in ("--arg", word if "=" in word else f"NAME={word}")]
        raise Rejected(
            f"{words[0]}: arguments stand behind --arg: `{shlex.join(['resprout', 'tool', 'call', name, *pairs])}`."
        )
    given = read_inputs([], file) | read_pairs(arguments or [], "--arg", "text=hello")
    checked(toolbox_of(ctx).find(name), given)

    async def go(runs: "Runs") -> int:
        from ..tool_flow import run_of_call
        from .run_flow import followed, tell_started

        run = await runs.start(run_of_call(name, given, tenant=tenant), run_id)
        if detach:
            tell_started(run, as_json=as_json)
            return 0
        return await followed(run, as_json=as_json, with_remedy=False)

    raise typer.Exit(with_runs(ctx, go))


def _elsewhere(one: "Tool") -> str | None:
    if one.seen_elsewhere is None:
        return None
    return f"of a worker, which said so last when it started, at {one.seen_elsewhere:%Y-%m-%d %H:%M:%S}"


def _print_tools(found: "list[Tool]", *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([_told(one) for one in found]))
        return
    print_rows(
        ("tool", "what it does", "permissions", "danger", "after a crash"),
        (
            (
                one.manifest.reference + (" (deprecated)" if one.manifest.deprecated else ""),
                one.manifest.description.partition("\n")[0],
                ", ".join(one.manifest.permissions),
                one.manifest.danger if one.manifest.danger != "none" else "",
                one.manifest.contract,
            )
            for one in found
        ),
    )
    typer.echo(f"{len(found)} tools", err=True)


def _told(one: "Tool") -> dict[str, Any]:
    fields = ("name", "version", "description", "permissions", "danger", "contract", "timeout", "rate", "deprecated")
    seen = one.seen_elsewhere.isoformat() if one.seen_elsewhere is not None else None
    told = {"source": one.source, "seen_elsewhere": seen}
    return {**one.manifest.model_dump(mode="json", include={*fields, "tags"}), **told}


def _argument(word: str, schema: Any, required: bool) -> tuple[object, ...]:
    kinds = [schema, *schema.get("anyOf", [])]
    kind = " or ".join(dict.fromkeys(str(one.get("type") or one.get("enum")) for one in kinds if _is_typed(one)))
    default = "" if required else json.dumps(schema.get("default"))
    return (word, kind or "anything", "required" if required else default, schema.get("description", ""))


def _is_typed(schema: dict[str, Any]) -> bool:
    return "type" in schema or "enum" in schema
