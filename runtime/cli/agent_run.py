"""`resprout agent run | conversation`: gives an agent a goal, and shows what was said."""

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..client import Client
    from ..runs import Runs

from ...actors.errors import NotFound
from .flags import settings_of
from .goal_options import (
    AnswerFile,
    Facts,
    Iterations,
    Model,
    NoTools,
    Person,
    Spending,
    System,
    Tokens,
    Tools,
    Variables,
    given_words,
)
from .plain_text import for_stdout
from .run_again import follow
from .run_options import AsJson, Detach, with_runs

PAGE = 200


def register(agent: typer.Typer) -> None:
    agent.command("run")(run)
    agent.command("conversation")(conversation)


def run(
    ctx: typer.Context,
    goal: Annotated[str, typer.Argument(help="What is to be reached, in plain words.")],
    key: Annotated[
        str | None, typer.Option("--agent", metavar="KEY", help="In which conversation; else one of the run's own.")
    ] = None,
    role: Annotated[str | None, typer.Option("--role", help="Name of a role: see `resprout role list`.")] = None,
    variables: Variables = None,
    system: System = None,
    model: Model = None,
    tools: Tools = None,
    no_tools: NoTools = False,
    facts: Facts = None,
    answer: AnswerFile = None,
    iterations: Iterations = None,
    tokens: Tokens = None,
    budget: Spending = None,
    person: Person = None,
    name: Annotated[str | None, typer.Option("--id", help="Id of the run.")] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="A label to find the run by; repeatable.")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="On whose account it runs; else default.")] = None,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Give an agent a goal: a model decides, tools act, and nothing that was paid for is lost."""
    from ..agent_runs import agent_run_input, start

    words = given_words(
        role=role,
        agent=key,
        variables=variables,
        system=system,
        model=model,
        tools=tools,
        no_tools=no_tools,
        facts=facts,
        answer=answer,
        max_iterations=iterations,
        max_tokens=tokens,
        budget=budget,
        person=person,
        tenant=tenant,
    )
    given = agent_run_input(goal=goal, tags=tuple(tags or ()), **words)

    async def go(runs: "Runs") -> int:
        started = await start(runs, given, name)
        return await follow(started, detach=detach, as_json=as_json, of_agent=True)

    raise typer.Exit(with_runs(ctx, go))


def conversation(
    ctx: typer.Context,
    key: Annotated[
        str, typer.Argument(help="The key of the conversation, KEY or brain/KEY; or the id of a run that has one.")
    ],
    first: Annotated[int, typer.Option("--from", min=1, help="The first entry.")] = 1,
    most: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many entries.")] = 200,
    tenant: Annotated[str, typer.Option("--tenant", help="Whose conversation it is.")] = "default",
    as_json: AsJson = False,
) -> None:
    """Show what was said in a conversation, to its first word; also what the model is shown as a summary only."""
    lines = asyncio.run(_lines(ctx, key.removeprefix("brain/"), first, most, tenant))
    if as_json:
        typer.echo(json.dumps([line.model_dump(mode="json") for line in lines]))
        return
    for line in lines:
        uses = "".join(f"  → {use.name} {json.dumps(use.arguments, ensure_ascii=False)}" for use in line.uses)
        typer.secho(f"{line.number:>4}  {line.role}", fg="cyan", nl=False)
        typer.echo(for_stdout(f"  {line.text}{uses}"))


async def _lines(ctx: typer.Context, key: str, first: int, most: int, tenant: str) -> list[Any]:
    from ...actors.brain import Lines, Look
    from ..client import Client

    found: list[Any] = []
    async with await Client.connect(settings_of(ctx).settings, tenant=tenant) as client:
        key = await _key_of(client, key)
        while len(found) < most:
            look = Look(first=first + len(found), most=min(PAGE, most - len(found)))
            page = await client.agent(f"brain/{key}").ask(look)
            assert isinstance(page, Lines)
            if not page.lines:
                break
            found += page.lines
    return found


async def _key_of(client: "Client", name: str) -> str:
    """Of a conversation, by its key or by a run that has it."""
    from ...actors.brain import Lines, Look

    page = await client.agent(f"brain/{name}").ask(Look(most=1))
    assert isinstance(page, Lines)
    if page.entries:
        return name
    try:
        state = await (await client.runs()).get(name).state()
        return str(state["agent"]).removeprefix("brain/")
    except (NotFound, KeyError):  # no run, or one of a flow
        raise NotFound(f"there is no conversation {name!r}: see `resprout agent list --kind brain`.") from None
