"""`resprout agent dead-letters | replay`."""

from typing import Annotated

import typer

from ...actors.address import AgentAddress
from ...actors.errors import Rejected
from .agent_options import AsJson, Kind, Limit, message_id
from .queries import print_json, print_rows, query, refuse_unknown_kind


def register(agent: typer.Typer) -> None:
    agent.command("dead-letters")(dead_letters)
    agent.command("replay")(replay)


def dead_letters(
    ctx: typer.Context,
    address: Annotated[str | None, typer.Argument(help="Only of this agent (kind/key).")] = None,
    kind: Kind = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List the messages that were given up, the last one first."""
    from ...memory.dead_letters import DeadLetters

    if address is not None and kind is not None:
        raise Rejected("an address and --kind: give one of them.")
    which = AgentAddress.parse(address) if address is not None else (kind, None)
    found = query(ctx, lambda database: DeadLetters(database).list(*which, limit=limit))
    if not found and which[0] is not None:
        refuse_unknown_kind(ctx, which[0])
    if as_json:
        print_json(found)
        return
    print_rows(
        ("given up at", "agent", "message", "type", "sender", "attempts", "error"),
        ((r.buried_at, r.agent, r.message_id, r.type, r.sender, r.attempts, r.error) for r in found),
    )
    if len(found) == limit:
        typer.echo(f"There may be more: --limit {min(limit * 10, 10_000)}", err=True)


def replay(
    ctx: typer.Context,
    message: Annotated[str | None, typer.Argument(metavar="ID", help="The id of the message.")] = None,
    agent: Annotated[
        str | None, typer.Option("--agent", help="Whose dead letter, when several agents have it.")
    ] = None,
    all_: Annotated[
        str | None, typer.Option("--all", metavar="ADDRESS", help="All dead letters of this agent.")
    ] = None,
) -> None:
    """Put dead letters back into the mailbox, with the same id and all attempts before them."""
    from ...memory.dead_letters import DeadLetters

    if (message is None) == (all_ is None) or (all_ is not None and agent is not None):
        raise Rejected("say which: an ID (with --agent, if several agents have it), or --all ADDRESS.")
    if all_ is not None:
        target = AgentAddress.parse(all_)
        replayed = query(ctx, lambda database: DeadLetters(database).replay_all(target))
        for one in replayed:
            typer.echo(f"{target}: {one} back in the mailbox")
        if not replayed:
            typer.echo(f"{target} has no dead letters")
        return
    wanted = message_id(message or "", where="")
    whose = AgentAddress.parse(agent) if agent is not None else None
    found = query(ctx, lambda database: DeadLetters(database).replay(wanted, whose))
    typer.echo(f"{found}: {wanted} back in the mailbox")
