"""`resprout agent ask | tell | publish | stop`."""

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from ...actors.address import AgentAddress
from ...actors.errors import DeadlineInPast, OutcomeUnknown
from ...actors.ids import new_id
from ...actors.message import Message, parse
from ..settings import Settings
from .agent_options import (
    Address,
    AsJson,
    InputFile,
    Inputs,
    MessageType,
    PriorityName,
    Tenant,
    message_id,
    one_of_priorities,
)
from .flags import settings_of
from .inputs import read_inputs

if TYPE_CHECKING:
    from ..client import Client

Result = TypeVar("Result")

MessageId = Annotated[
    str | None, typer.Option("--id", help="Message id (a UUID): what was handled under it is not done again.")
]


def register(agent: typer.Typer) -> None:
    for command in (ask, tell, publish, stop):
        agent.command(command.__name__)(command)


def ask(
    ctx: typer.Context,
    address: Address,
    message: MessageType,
    inputs: Inputs = None,
    input_file: InputFile = None,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait for the reply.")] = 30.0,
    id_: MessageId = None,
    priority: PriorityName = "normal",
    tenant: Tenant = "default",
    as_json: AsJson = False,
) -> None:
    """Ask an agent and print its reply."""
    target = str(AgentAddress.parse(address))
    settings, sent = _prepare(ctx, message, inputs, input_file)
    patience = _seconds("--timeout", timeout)
    # Made here and not by the client, so that whoever does not get the reply can ask for it.
    asked = message_id(id_) if id_ else new_id()
    rank = one_of_priorities(priority)

    async def work(client: "Client") -> Message | None:
        return await client.agent(target).ask(sent, timeout=patience, id=asked, priority=rank, again=id_ is not None)

    reply = _as(asked, lambda: _talk(settings, tenant, work))
    body = reply.model_dump(mode="json") if reply is not None else None
    if as_json:
        name = reply.message_name if reply is not None else None
        typer.echo(json.dumps({"message_id": str(asked), "type": name, "body": body}))
    else:
        typer.echo(json.dumps(body, indent=2) if body is not None else "handled; there is no reply")


def tell(
    ctx: typer.Context,
    address: Address,
    message: MessageType,
    inputs: Inputs = None,
    input_file: InputFile = None,
    deadline: Annotated[
        float | None, typer.Option("--deadline", metavar="SECONDS", help="After so long it is not handled any more.")
    ] = None,
    id_: MessageId = None,
    priority: PriorityName = "normal",
    tenant: Tenant = "default",
    as_json: AsJson = False,
) -> None:
    """Put a message into an agent's mailbox and print its id. It is kept; nobody waits for it."""
    target = str(AgentAddress.parse(address))
    settings, sent = _prepare(ctx, message, inputs, input_file)
    until = datetime.now(UTC) + _seconds("--deadline", deadline) if deadline is not None else None
    told = message_id(id_) if id_ else new_id()
    rank = one_of_priorities(priority)

    async def work(client: "Client") -> UUID:
        return await client.agent(target).tell(sent, id=told, priority=rank, deadline=until, again=id_ is not None)

    _as(told, lambda: _talk(settings, tenant, work))
    typer.echo(json.dumps({"message_id": str(told)}) if as_json else str(told))


def publish(
    ctx: typer.Context,
    topic: Annotated[str, typer.Argument(help="The topic, as in news.")],
    message: MessageType,
    inputs: Inputs = None,
    input_file: InputFile = None,
    id_: MessageId = None,
    tenant: Tenant = "default",
    as_json: AsJson = False,
) -> None:
    """Tell a message to every agent that is subscribed to a topic."""
    AgentAddress.of("topic", topic)
    settings, sent = _prepare(ctx, message, inputs, input_file)
    published = message_id(id_) if id_ else new_id()

    async def work(client: "Client") -> UUID:
        return await client.publish(topic, sent, id=published, again=id_ is not None)

    _as(published, lambda: _talk(settings, tenant, work))
    accepted = f"accepted for the subscribers of {topic}: {published}"
    typer.echo(json.dumps({"message_id": str(published)}) if as_json else accepted)


def stop(ctx: typer.Context, address: Address) -> None:
    """Put an agent away after the turn it is in: its state is kept, and its next message brings it back."""
    target = AgentAddress.parse(address)
    settings = settings_of(ctx).settings
    was_there = _talk(settings, "default", lambda client: client.agent(str(target)).stop())
    typer.echo(
        f"{target} was put away; its next message brings it back" if was_there else f"{target} was not in memory"
    )


def _prepare(
    ctx: typer.Context, message: str, inputs: list[str] | None, input_file: Path | None
) -> tuple[Settings, Message]:
    from ..agent_modules import import_agents

    settings = settings_of(ctx).settings
    import_agents(settings.agents)
    sent = parse(message, read_inputs(inputs or [], input_file))
    return settings, sent


def _talk(settings: Settings, tenant: str, work: "Callable[[Client], Awaitable[Result]]") -> Result:
    import structlog

    from ..client import Client

    # Standard output is for the answer; that a host does not answer just now is not worth a line, we ask again.
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
    )

    async def run() -> Result:
        async with await Client.connect(settings, tenant=tenant) as client:
            return await work(client)

    return asyncio.run(run())


def _seconds(option: str, seconds: float) -> timedelta:
    if not seconds > 0:  # NaN, too
        raise DeadlineInPast(
            f"{option} {seconds:g} lies in the past: that moment has passed already. Give seconds above zero."
        )
    try:
        return min(timedelta(seconds=seconds), timedelta(days=36_500))
    except OverflowError:
        return timedelta(days=36_500)


def _as(sent: UUID, talk: Callable[[], Result]) -> Result:
    try:
        return talk()
    except OutcomeUnknown as error:
        raise type(error)(f"{error} To say it again with the same id: --id {sent}") from None
