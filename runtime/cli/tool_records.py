"""`resprout tool history | usage | sessions | deprecate | quota`: what is on record about tools."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from ...actors.duration import parse_duration
from ...actors.errors import Rejected
from .. import identity
from ..stack.find import attach
from .effects import Run, Tool, print_effects
from .flags import settings_of
from .queries import print_json, print_rows, query
from .run_options import AsJson, Limit

if TYPE_CHECKING:
    from ...memory.database import Database
    from ..tool_care import ToolCare

Whose = Annotated[str, typer.Option("--principal", help="Who calls, as in agent:writer/a; * for each.")]
Which = Annotated[str, typer.Option("--tool", help="The name of the tool; * for all together.")]
InTenant = Annotated[str, typer.Option("--tenant", help="The tenant; * for each.")]

quota = typer.Typer(no_args_is_help=True, help="How often somebody may call tools.")


def history(ctx: typer.Context, tool: Tool = None, run: Run = None, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List calls, the latest first, with inputs and outputs by --json."""
    print_effects(ctx, tool, run, None, limit, as_json=as_json)


def usage(
    ctx: typer.Context,
    tool: Tool = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only of this tenant.")] = None,
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="How far back, as in 24h or 7d.")] = "24h",
    as_json: AsJson = False,
) -> None:
    """Count calls: how many, how many failed or are in doubt, and how long they took."""
    from ...memory.effects import Effects

    length = _length(since, "--since")
    found = query(ctx, lambda database: Effects(database.opened).usage(length, tenant=tenant, tool=tool))
    if as_json:
        typer.echo(json.dumps(found, default=lambda value: value.isoformat()))
        return
    print_rows(
        ("tool", "calls", "failed", "in doubt", "p50 s", "p95 s", "last at"),
        (
            (r["tool"], r["calls"], r["failed"], r["in_doubt"], _short(r["p50_seconds"]), _short(r["p95_seconds"]),
             r["last_at"])
            for r in found
        ),
    )  # fmt: skip


def sessions(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the sessions with MCP servers that workers have open: since when, and how many calls they made in them."""
    from ...memory.tool_sessions import ToolSessions

    found = query(ctx, lambda database: ToolSessions.of(database).every())
    if as_json:
        print_json(found)
    elif not found:
        typer.echo("no session is open: a worker opens one at the first call of a server's tool")
    else:
        print_rows(
            ("source", "worker", "since", "calls", "last call", "server"),
            ((s.source, s.worker, s.opened_at, s.calls, s.called_at, s.place) for s in found),
        )


def deprecate(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME@VERSION", help="The version, as in text.count@1.0.0.")],
    why: Annotated[str, typer.Option("--why", help="Why, and what to use instead; shown to whoever calls it.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Take it back.")] = False,
) -> None:
    """Say that a version should not be used any more. Runs that use it go on."""
    tool, _, version = name.partition("@")
    if not version:
        raise Rejected(f"{name}: say which version, as in {name}@1.0.0.")
    if bool(why) == undo:
        raise Rejected("say --why, with what to use instead, or --undo.")
    said = None if undo else why
    _take_care(ctx, lambda care: care.deprecate(tool, version, said))
    typer.echo(f"{name} is {'deprecated' if said else 'not deprecated any more'}")


@quota.command("set")
def set_quota(
    ctx: typer.Context,
    calls: Annotated[int, typer.Argument(min=1, max=1_000_000, help="How many calls, at most.")],
    per: Annotated[str, typer.Option("--per", metavar="TIME", help="In which time, as in 1m or 1h.")] = "1m",
    tool: Which = "*",
    principal: Whose = "*",
    tenant: InTenant = "default",
) -> None:
    """Let tools be called so often at most. What is over waits and is tried again."""
    length = _length(per, "--per")
    _take_care(ctx, lambda care: care.set_quota(tenant, principal, tool, calls, length))
    typer.echo(f"{tool} by {principal} in {tenant}: {calls} calls in {per}")


@quota.command("list")
def list_quotas(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the quotas."""
    from ...memory.tools import ToolRegistry

    found = query(ctx, lambda database: ToolRegistry(database.opened).quotas())
    if as_json:
        typer.echo(
            json.dumps(
                found, default=lambda value: value.total_seconds() if isinstance(value, timedelta) else str(value)
            )
        )
        return
    print_rows(
        ("tenant", "who", "tool", "calls", "in", "set by"),
        ((q["tenant"], q["principal"], q["tool"], q["calls"], q["per"], q["set_by"]) for q in found),
    )


@quota.command("remove")
def remove_quota(ctx: typer.Context, tool: Which = "*", principal: Whose = "*", tenant: InTenant = "default") -> None:
    """Take a quota away."""
    _take_care(ctx, lambda care: care.remove_quota(tenant, principal, tool))
    typer.echo(f"{tool} by {principal} in {tenant}: no quota")


def _take_care(ctx: typer.Context, work: "Callable[[ToolCare], Awaitable[None]]") -> None:
    from ...memory.audit import Audit
    from ...memory.tools import ToolRegistry
    from ..policy import policy_of
    from ..tool_care import ToolCare

    settings = attach(settings_of(ctx).settings, "postgres.dsn")

    async def go(database: "Database") -> None:
        registry = ToolRegistry(database.opened)
        care = ToolCare(registry, policy_of(settings, registry.open), Audit(registry.open), identity.user())
        await work(care)

    query(ctx, go)


def _length(text: str, option: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise Rejected(f"{option} {text}: {error}") from None


def _short(seconds: float | None) -> str:
    return f"{seconds:.2f}" if seconds is not None else ""
