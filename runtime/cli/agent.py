"""`resprout agent ask | show | list | history`."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from ...actors.address import AgentAddress
from ...actors.errors import Rejected
from ..settings import Settings
from ..stack.find import attach
from .flags import settings_of
from .inputs import read_inputs

if TYPE_CHECKING:
    from ...memory.agents import AgentRows

Result = TypeVar("Result")
Address = Annotated[str, typer.Argument(help="The agent: kind/key, as in greeter/ada.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


def register(app: typer.Typer) -> None:
    agent = typer.Typer(no_args_is_help=True, help="Talk to agents, and look at them.")
    for command in (ask, show, list_, history):
        agent.command(command.__name__.rstrip("_"))(command)
    app.add_typer(agent, name="agent")


def ask(
    ctx: typer.Context,
    address: Address,
    message: Annotated[str, typer.Argument(help="The message type, as in greeter.greet.")],
    inputs: Annotated[
        list[str] | None, typer.Option("--input", "-i", metavar="K=V", help="One field; V is JSON or plain text.")
    ] = None,
    input_file: Annotated[Path | None, typer.Option("--input-file", help="All fields, as a JSON object.")] = None,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait for the reply.")] = 30.0,
    message_id: Annotated[
        str | None, typer.Option("--id", help="Message id (a UUID): one that was handled gets its stored reply.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask an agent and print its reply."""
    from ...actors.message import parse
    from ..agent_modules import import_agents

    target = AgentAddress.parse(address)
    settings = settings_of(ctx).settings
    import_agents(settings.agents)
    sent = parse(message, read_inputs(inputs or [], input_file))
    settings = attach(settings, "ray.address")
    reply = asyncio.run(_ask(settings, str(target), sent, timedelta(seconds=timeout), _uuid(message_id)))
    body = reply.model_dump(mode="json") if reply is not None else None
    if as_json:
        typer.echo(json.dumps({"type": reply.message_name if reply is not None else None, "body": body}))
    else:
        typer.echo(json.dumps(body, indent=2) if body is not None else "handled; there is no reply")


async def _ask(settings: Settings, address: str, sent: Any, timeout: timedelta, message_id: UUID | None) -> Any:
    from ..client import Client

    async with await Client.connect(settings) as client:
        return await client.agent(address).ask(sent, timeout=timeout, id=message_id)


def show(ctx: typer.Context, address: Address, as_json: AsJson = False) -> None:
    """Show an agent's state."""
    target = AgentAddress.parse(address)
    row = _query(ctx, lambda rows: rows.show(target.kind, target.key))
    if row is None:
        raise Rejected(f"{target} has not handled a message yet, so it has no state. See `resprout agent list`.")
    if as_json:
        typer.echo(json.dumps(asdict(row), default=str))
    else:
        typer.echo(f"{target}: {row.turns} turns, last {row.updated_at:%Y-%m-%d %H:%M:%S %Z}")
        typer.echo(json.dumps(row.state, indent=2))


def list_(
    ctx: typer.Context,
    kind: Annotated[str | None, typer.Option("--kind", help="Only agents of this kind.")] = None,
    after: Annotated[str | None, typer.Option("--after", help="Begin after this agent (kind/key).")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the agents that have a state, in the order of their addresses."""
    begin = AgentAddress.parse(after) if after else None
    found = _query(ctx, lambda rows: rows.list(kind, after=(begin.kind, begin.key) if begin else ("", ""), limit=limit))
    if as_json:
        rows = [{"agent": f"{r.kind}/{r.key}", "turns": r.turns, "updated_at": str(r.updated_at)} for r in found]
        typer.echo(json.dumps(rows))
        return
    table = Table("agent", "turns", "last turn", box=None, header_style="bold")
    for row in found:
        table.add_row(f"{row.kind}/{row.key}", str(row.turns), f"{row.updated_at:%Y-%m-%d %H:%M:%S}")
    Console().print(table)
    if len(found) == limit:
        typer.echo(f"There may be more: --after {found[-1].kind}/{found[-1].key}", err=True)


def history(
    ctx: typer.Context,
    address: Address,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the messages that an agent handled, the newest first, with its replies."""
    target = AgentAddress.parse(address)
    found = _query(ctx, lambda rows: rows.history(target.kind, target.key, limit=limit))
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in found], default=str))
        return
    table = Table("handled at", "message", "reply", box=None, header_style="bold")
    for row in found:
        reply = f"{row.reply_type} {json.dumps(row.reply)}" if row.reply_type else ""
        table.add_row(f"{row.handled_at:%Y-%m-%d %H:%M:%S}", str(row.message_id), reply)
    Console().print(table)


def _query(ctx: typer.Context, ask_rows: "Callable[[AgentRows], Awaitable[Result]]") -> Result:
    from ...memory.agents import AgentRows
    from ...memory.database import Database

    settings = attach(settings_of(ctx).settings, "postgres.dsn")

    async def run() -> Result:
        assert settings.postgres.dsn is not None
        async with await Database.open(settings.postgres.dsn.get_secret_value(), pool_size=1) as database:
            return await ask_rows(AgentRows(database))

    return asyncio.run(run())


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text is not None else None
    except ValueError:
        raise Rejected(f"--id {text!r} is not a UUID, as in 01890a5d-ac96-774b-bcce-b302099a8057.") from None
