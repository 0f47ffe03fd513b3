"""`resprout agent dead-letters | replay | release`."""

import json
from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import typer

from ...actors.address import AgentAddress
from ...actors.errors import NotFound, Rejected
from .queries import query

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


def register(agent: typer.Typer) -> None:
    agent.command("dead-letters")(dead_letters)
    agent.command("replay")(replay)
    agent.command("release")(release)


def dead_letters(
    ctx: typer.Context,
    address: Annotated[str | None, typer.Argument(help="Only this agent's: kind/key.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="Only agents of this kind.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List messages that were given up, the newest first: what they were, and why."""
    from ...memory.dead_letters import DeadLetters

    target = AgentAddress.parse(address) if address is not None else None
    found = query(
        ctx,
        lambda database: DeadLetters(database).list(
            target.kind if target else kind, target.key if target else None, limit=limit
        ),
    )
    if as_json:
        typer.echo(json.dumps([asdict(letter) for letter in found], default=str))
        return
    if not found:
        typer.echo("There are no dead letters.")
        return
    for letter in found:  # a table would cut what one wants to copy
        typer.echo(f"{letter.message_id}  {letter.type} to {letter.agent}")
        typer.echo(f"    {letter.buried_at:%Y-%m-%d %H:%M:%S}, after {letter.attempts} attempts: {letter.error}")
    typer.echo("Once the cause is mended: resprout agent replay MESSAGE, or --all AGENT", err=True)


def replay(
    ctx: typer.Context,
    message: Annotated[str | None, typer.Argument(help="Id of a dead letter.")] = None,
    everything: Annotated[str | None, typer.Option("--all", metavar="AGENT", help="All of this agent's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put dead letters back into their mailboxes, with their ids; deadlines that they had no longer count."""
    from ...memory.dead_letters import DeadLetters

    if (message is None) == (everything is None):
        raise Rejected("say which: the id of a dead letter, or --all AGENT. `resprout agent dead-letters` lists them.")
    target = AgentAddress.parse(everything) if everything is not None else None
    replayed = query(
        ctx,
        lambda database: DeadLetters(database).replay(
            target.kind if target else None, target.key if target else None, _id(message)
        ),
    )
    if not replayed and message is not None:
        raise NotFound(f"there is no dead letter {message}. `resprout agent dead-letters` lists them.")
    if as_json:
        typer.echo(json.dumps([{"agent": agent, "message_id": str(one)} for agent, one in replayed]))
        return
    for agent, one in replayed:
        typer.echo(f"replayed {one} to {agent}")
    if not replayed:
        typer.echo(f"{everything} has no dead letters")


def release(ctx: typer.Context, address: Annotated[str, typer.Argument(help="The agent: kind/key.")]) -> None:
    """Let an agent work again that was set aside after a message that kept failing."""
    from ...memory.dead_letters import DeadLetters

    target = AgentAddress.parse(address)
    reason = query(ctx, lambda database: DeadLetters(database).release(*target))
    if reason is None:
        raise NotFound(f"{target} is not in quarantine.")
    typer.echo(f"{target} is released; it was set aside because: {reason}")


def _id(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text is not None else None
    except ValueError:
        raise Rejected(f"{text!r} is not a message id (a UUID). `resprout agent dead-letters` lists them.") from None
