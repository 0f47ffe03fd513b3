"""`resprout agent run | conversation`: gives an agent a goal, and shows what was said."""

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..runs import Runs

from ...actors.errors import ConfigError, NotFound
from .flags import settings_of
from .inputs import read_pairs
from .run_again import answered, follow
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
    variables: Annotated[
        list[str] | None, typer.Option("--variable", metavar="K=V", help="A variable of the role; repeatable.")
    ] = None,
    system: Annotated[str, typer.Option("--system", help="What it is told of itself, behind what its role says.")] = "",
    model: Annotated[str | None, typer.Option("--model", "-m", help="As in local or openai/gpt-5.")] = None,
    tools: Annotated[
        list[str] | None, typer.Option("--tool", "-t", help="What it may use, as in text.count or text.*; repeatable.")
    ] = None,
    facts: Annotated[
        list[str] | None, typer.Option("--with", "-w", metavar="K=V", help="A fact given with the goal; repeatable.")
    ] = None,
    answer: Annotated[
        Path | None, typer.Option("--answer", metavar="FILE", help="JSON Schema of the answer. Default: a text.")
    ] = None,
    iterations: Annotated[
        int | None,
        typer.Option("--max-iterations", min=1, max=10_000, help="Decisions that it has; else its role's, or 30."),
    ] = None,
    tokens: Annotated[int | None, typer.Option("--max-tokens", min=1, help="Of one thing that the model says.")] = None,
    person: Annotated[bool, typer.Option("--person", help="It may ask a person, who answers in the inbox.")] = False,
    name: Annotated[str | None, typer.Option("--id", help="Id of the run.")] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="A label to find the run by; repeatable.")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="On whose account it runs; else default.")] = None,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Give an agent a goal: a model decides, tools act, and nothing that was paid for is lost."""
    from ..agent_runs import agent_run_input, start

    words = {"role": role, "model": model, "agent": key, "max_iterations": iterations, "max_tokens": tokens}
    given = agent_run_input(
        goal=goal,
        variables=read_pairs(variables or [], "--variable", "tone=dry"),
        system=system,
        tools=tuple(tools or ()),
        with_=read_pairs(facts or [], "--with", "city=Bern"),
        answer=_schema(answer),
        person=person,
        tags=tuple(tags or ()),
        **({"tenant": tenant} if tenant else {}),
        **{word: value for word, value in words.items() if value is not None},
    )

    async def go(runs: "Runs") -> int:
        started = await start(runs, given, name)
        return await follow(started, detach=detach, as_json=as_json, show=partial(answered, started.id))

    raise typer.Exit(with_runs(ctx, go))


def conversation(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(help="The key of the conversation, as `runs show` says it: brain/KEY or KEY.")],
    first: Annotated[int, typer.Option("--from", min=1, help="The first entry.")] = 1,
    most: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many entries.")] = 200,
    as_json: AsJson = False,
) -> None:
    """Show what was said in a conversation, to its first word; also what the model is shown as a summary only."""
    lines = asyncio.run(_lines(ctx, key.removeprefix("brain/"), first, most))
    if as_json:
        typer.echo(json.dumps([line.model_dump(mode="json") for line in lines]))
        return
    for line in lines:
        uses = "".join(f"  → {use.name} {json.dumps(use.arguments, ensure_ascii=False)}" for use in line.uses)
        typer.secho(f"{line.number:>4}  {line.role}", fg="cyan", nl=False)
        typer.echo(f"  {_clean(line.text)}{_clean(uses)}")


async def _lines(ctx: typer.Context, key: str, first: int, most: int) -> list[Any]:
    from ...actors.brain import Lines, Look
    from ..client import Client

    found: list[Any] = []
    async with await Client.connect(settings_of(ctx).settings) as client:
        while len(found) < most:
            look = Look(first=first + len(found), most=min(PAGE, most - len(found)))
            page = await client.agent(f"brain/{key}").ask(look)
            assert isinstance(page, Lines)
            if not page.entries:
                raise NotFound(f"there is no conversation {key!r}: see `resprout agent list --kind brain`.")
            if not page.lines:
                break
            found += page.lines
    return found


def _schema(file: Path | None) -> dict[str, Any] | None:
    if file is None:
        return None
    try:
        schema = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--answer {file} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise ConfigError(f"--answer {file} is not valid JSON: {error}.") from None
    if not isinstance(schema, dict):
        raise ConfigError(f"--answer {file} must hold a JSON Schema, an object.")
    return schema


def _clean(text: str) -> str:
    """No model shall move the cursor of who reads it."""
    return "".join(char if char.isprintable() or char in "\n\t" else "�" for char in text)
