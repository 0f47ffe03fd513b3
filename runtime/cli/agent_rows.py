"""`resprout agent show | list | history | mailbox | release`: what Postgres knows of agents."""

import json
import shlex
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

import typer

from ...actors.address import AgentAddress
from ...actors.errors import Rejected

if TYPE_CHECKING:
    from ...memory.agents import AgentRows

from .agent_options import Address, After, AsJson, Kind, Limit
from .queries import print_json, print_rows, query, refuse_unknown_kind

Row = TypeVar("Row")


def register(agent: typer.Typer) -> None:
    for command in (show, list_, history, mailbox, release):
        agent.command(command.__name__.rstrip("_"))(command)


def show(ctx: typer.Context, address: Address, as_json: AsJson = False) -> None:
    """Show an agent's state, and what waits for it or was given up."""
    from ...memory.agents import AgentRows

    target = AgentAddress.parse(address)
    row = query(ctx, lambda database: AgentRows(database).show(target))
    if row is None:
        refuse_unknown_kind(ctx, target.kind)
        raise Rejected(
            f"{target} has no state: it has not handled a message yet, or its kind is ephemeral. "
            "See `resprout agent list`."
        )
    if as_json:
        typer.echo(json.dumps(asdict(row), default=str))
        return
    last = f", last {row.updated_at:%Y-%m-%d %H:%M:%S %Z}" if row.updated_at else ""
    typer.echo(f"{target}: {row.turns} turns{last}; {row.waiting} waiting, {row.dead_letters} dead letters")
    if row.quarantined:
        typer.echo(f"quarantined: {row.quarantined}")
    if row.state is not None:
        typer.echo(json.dumps(row.state, indent=2))


def list_(
    ctx: typer.Context, kind: Kind = None, after: After = None, limit: Limit = 100, as_json: AsJson = False
) -> None:
    """List the agents that have a state, in the order of their addresses."""
    from ...memory.agents import AgentRows

    begin = AgentAddress.parse(after) if after else ("", "")
    found = query(ctx, lambda database: AgentRows(database).list(kind, after=begin, limit=limit))
    if not found and kind is not None:
        refuse_unknown_kind(ctx, kind)
    if as_json:
        rows = [{"agent": f"{r.kind}/{r.key}", "turns": r.turns, "updated_at": str(r.updated_at)} for r in found]
        typer.echo(json.dumps(rows))
        return
    print_rows(("agent", "turns", "last turn"), ((f"{r.kind}/{r.key}", r.turns, r.updated_at) for r in found))
    if len(found) == limit:
        last = shlex.quote(f"{found[-1].kind}/{found[-1].key}")
        typer.echo(f"There may be more: --after {last}", err=True)


def history(ctx: typer.Context, address: Address, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List the messages that an agent handled, the newest first, with its replies."""
    found = _of_agent(ctx, address, lambda rows, target: rows.history(target, limit=limit))
    if as_json:
        print_json(found)
        return
    print_rows(
        ("turn", "handled at", "message", "type", "sender", "reply"),
        (
            (r.turn, r.handled_at, r.message_id, r.type, r.sender, f"{r.reply_type} {json.dumps(r.reply)}")
            if r.reply_type
            else (r.turn, r.handled_at, r.message_id, r.type, r.sender, None)
            for r in found
        ),
    )


def mailbox(ctx: typer.Context, address: Address, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List the messages that wait for an agent, the oldest first. Asked ones wait in memory and are not here."""
    found = _of_agent(ctx, address, lambda rows, target: rows.mailbox(target, limit=limit))
    if as_json:
        print_json(found)
        return
    print_rows(
        ("accepted at", "message", "type", "sender", "priority", "attempts", "due", "error"),
        ((r.accepted_at, r.message_id, r.type, r.sender, r.priority, r.attempts, r.due_at, r.error) for r in found),
    )


def release(ctx: typer.Context, address: Address) -> None:
    """Let an agent that was set aside go on. Its poison stays among the dead letters until it is replayed."""
    from ...memory.agents import AgentRows

    target = AgentAddress.parse(address)
    reason = query(ctx, lambda database: AgentRows(database).release(target))
    if reason is None:
        raise Rejected(f"{target} is not in quarantine. See `resprout agent find --health quarantined`.")
    typer.echo(f"{target} is released: its host goes on with what waits and what comes. It was set aside: {reason}")


def _of_agent(
    ctx: typer.Context, address: str, read: "Callable[[AgentRows, AgentAddress], Awaitable[Sequence[Row]]]"
) -> "Sequence[Row]":
    """Where there is nothing, the agent's kind may be misspelt."""
    from ...memory.agents import AgentRows

    target = AgentAddress.parse(address)
    found = query(ctx, lambda database: read(AgentRows(database), target))
    if not found:
        refuse_unknown_kind(ctx, target.kind)
    return found
