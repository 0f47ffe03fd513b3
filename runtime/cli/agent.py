"""`resprout agent ask | tell | publish | stop | show | list | history | mailbox`."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...actors.address import AgentAddress
from ...actors.envelope import PRIORITIES
from ...actors.envelope import Priority as PriorityName
from ...actors.errors import OutcomeUnknown, Rejected
from ...actors.ids import new_id
from ...actors.message import Message, parse
from ..stack.find import attach
from . import agent_registry, dead_letters
from .flags import settings_of
from .inputs import read_inputs
from .queries import query

if TYPE_CHECKING:
    from ...memory.agents import AgentRows
    from ..client import Client

Result = TypeVar("Result")
Address = Annotated[str, typer.Argument(help="The agent: kind/key, as in greeter/ada.")]
MessageType = Annotated[str, typer.Argument(help="The message type, as in greeter.greet.")]
Inputs = Annotated[
    list[str] | None,
    typer.Option("--input", "-i", metavar="K=V", help="One field; V is JSON or plain text ('\"5\"' is the text 5)."),
]
InputFile = Annotated[Path | None, typer.Option("--input-file", help="All fields, as a JSON object.")]
MessageId = Annotated[
    str | None, typer.Option("--id", help="Message id (a UUID): the same id again is the same message.")
]
Priority = Annotated[str, typer.Option("--priority", help="low, normal, high or critical.")]
Tenant = Annotated[str, typer.Option("--tenant", help="In whose name; bounds count for each tenant.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


def register(app: typer.Typer) -> None:
    agent = typer.Typer(no_args_is_help=True, help="Talk to agents, and look at them.")
    for command in (ask, tell, publish, stop, show, list_, history, mailbox):
        agent.command(command.__name__.rstrip("_"))(command)
    dead_letters.register(agent)
    agent_registry.register(agent)
    app.add_typer(agent, name="agent")


def ask(
    ctx: typer.Context,
    address: Address,
    message: MessageType,
    inputs: Inputs = None,
    input_file: InputFile = None,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait for the reply.")] = 30.0,
    message_id: MessageId = None,
    priority: Priority = "normal",
    tenant: Tenant = "default",
    as_json: AsJson = False,
) -> None:
    """Ask an agent and print its reply."""
    target = AgentAddress.parse(address)
    sent = _message(ctx, message, inputs, input_file)
    given = _uuid(message_id)
    name = given or new_id()

    async def work(client: "Client") -> Any:
        return await client.agent(str(target)).ask(
            sent, timeout=timedelta(seconds=timeout), id=name, priority=_priority(priority), again=given is not None
        )

    try:
        reply = _with_client(ctx, work, tenant)
    except OutcomeUnknown as error:
        raise type(error)(f"{error} Its id: --id {name}") from None
    body = reply.model_dump(mode="json") if reply is not None else None
    if as_json:
        typer.echo(json.dumps({"type": reply.message_name if reply is not None else None, "body": body}))
    else:
        typer.echo(json.dumps(body, indent=2) if body is not None else "handled; there is no reply")


def tell(
    ctx: typer.Context,
    address: Address,
    message: MessageType,
    inputs: Inputs = None,
    input_file: InputFile = None,
    deadline: Annotated[
        float | None, typer.Option("--deadline", help="Seconds after which it shall not be handled any more.")
    ] = None,
    message_id: MessageId = None,
    priority: Priority = "normal",
    tenant: Tenant = "default",
    as_json: AsJson = False,
) -> None:
    """Tell an agent something: returns as soon as the message is kept on disk, and prints its id."""
    target = AgentAddress.parse(address)
    sent = _message(ctx, message, inputs, input_file)
    given = _uuid(message_id)
    name = given or new_id()
    until = datetime.now(UTC) + timedelta(seconds=deadline) if deadline is not None else None

    async def work(client: "Client") -> Any:
        return await client.agent(str(target)).tell(
            sent, id=name, priority=_priority(priority), deadline=until, again=given is not None
        )

    try:
        _with_client(ctx, work, tenant)
    except OutcomeUnknown as error:
        raise type(error)(f"{error} Tell it again with its id, to be sure that it is told once: --id {name}") from None
    typer.echo(json.dumps({"message_id": str(name)}) if as_json else f"accepted as {name}")


def publish(
    ctx: typer.Context,
    topic: Annotated[str, typer.Argument(help="The topic.")],
    message: MessageType,
    inputs: Inputs = None,
    input_file: InputFile = None,
    tenant: Tenant = "default",
) -> None:
    """Tell every agent that is subscribed to a topic."""
    AgentAddress.of("topic", topic)
    sent = _message(ctx, message, inputs, input_file)
    _with_client(ctx, lambda client: client.publish(topic, sent), tenant)
    typer.echo(f"accepted for {topic}")


def stop(ctx: typer.Context, address: Address) -> None:
    """Take an agent out of memory after the turn it is in. Its next message brings it back; nothing is lost."""
    target = AgentAddress.parse(address)
    stopped = _with_client(ctx, lambda client: client.agent(str(target)).stop())
    typer.echo(f"{target} is out of memory" if stopped else f"{target} was not in memory")


def mailbox(
    ctx: typer.Context,
    address: Address,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List what was told to an agent and is not handled yet, the oldest first."""
    target = AgentAddress.parse(address)
    found = _query(ctx, lambda rows: rows.mailbox(*target, limit=limit))
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in found], default=str))
        return
    table = Table("accepted at", "message", "type", "priority", "attempts", "error", box=None, header_style="bold")
    for row in found:
        table.add_row(
            f"{row.accepted_at:%Y-%m-%d %H:%M:%S}",
            str(row.message_id),
            row.type,
            row.priority,
            str(row.attempts),
            escape(row.error or ""),
        )
    Console().print(table)


def show(ctx: typer.Context, address: Address, as_json: AsJson = False) -> None:
    """Show an agent's state."""
    target = AgentAddress.parse(address)
    row = _query(ctx, lambda rows: rows.show(target.kind, target.key))
    condition = _query(ctx, lambda rows: rows.condition(target.kind, target.key))
    if row is None:
        raise Rejected(f"{target} has not handled a message yet, so it has no state. See `resprout agent list`.")
    if as_json:
        typer.echo(json.dumps({**asdict(row), **asdict(condition)}, default=str))
    else:
        typer.echo(f"{target}: {row.turns} turns, last {row.updated_at:%Y-%m-%d %H:%M:%S %Z}")
        typer.echo(json.dumps(row.state, indent=2))
        if condition.waiting:
            typer.echo(f"{condition.waiting} messages wait: resprout agent mailbox {target}")
        if condition.dead_letters:
            typer.echo(f"{condition.dead_letters} dead letters: resprout agent dead-letters {target}")
        if condition.quarantined is not None:
            typer.echo(f"set aside: {condition.quarantined} Let it go on: resprout agent release {target}")


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
        table.add_row(escape(f"{row.kind}/{row.key}"), str(row.turns), f"{row.updated_at:%Y-%m-%d %H:%M:%S}")
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
    table = Table("turn", "handled at", "message", "type", "from", "reply", box=None, header_style="bold")
    for row in found:
        reply = f"{row.reply_type} {json.dumps(row.reply)}" if row.reply_type else ""
        table.add_row(
            str(row.turn or ""),
            f"{row.handled_at:%Y-%m-%d %H:%M:%S}",
            str(row.message_id),
            row.type or "",
            escape(row.sender or ""),
            escape(reply),
        )
    Console().print(table)


def _message(ctx: typer.Context, name: str, inputs: list[str] | None, input_file: Path | None) -> Message:
    from ..agent_modules import import_agents

    import_agents(settings_of(ctx).settings.agents)
    return parse(name, read_inputs(inputs or [], input_file))


def _with_client(ctx: typer.Context, work: "Callable[[Client], Awaitable[Result]]", tenant: str = "default") -> Result:
    from ..client import Client

    settings = attach(settings_of(ctx).settings, "ray.address")

    async def run() -> Result:
        async with await Client.connect(settings, tenant=tenant) as client:
            return await work(client)

    return asyncio.run(run())


def _query(ctx: typer.Context, ask_rows: "Callable[[AgentRows], Awaitable[Result]]") -> Result:
    from ...memory.agents import AgentRows

    return query(ctx, lambda database: ask_rows(AgentRows(database)))


def _priority(text: str) -> "PriorityName":
    if text not in PRIORITIES:
        raise Rejected(f"--priority {text!r} is not one of {', '.join(PRIORITIES)}.")
    return text


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text is not None else None
    except ValueError:
        raise Rejected(f"--id {text!r} is not a UUID, as in 01890a5d-ac96-774b-bcce-b302099a8057.") from None
