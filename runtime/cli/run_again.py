"""`resprout runs retry | fork`: new runs that take over what others have done."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..runs import RunRef, Runs

from ...actors.errors import ConfigError, Rejected
from ...actors.models.money import dollars
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
from .hints import as_given
from .inputs import read_pairs
from .plain_text import for_stdout
from .results import text_of
from .run_flow import followed, tell_started
from .run_options import AsJson, Detach, NewId, RunId, with_runs

EXAMPLE = "inputs.name=ada"


def register(runs: typer.Typer) -> None:
    runs.command("retry")(retry)
    runs.command("fork")(fork)
    runs.command("continue")(continue_)


def continuing() -> Any:
    """The command `continue` by itself, for `resprout run`."""
    alone = typer.Typer()
    alone.command("continue")(continue_)
    return typer.main.get_command(alone)


def retry(ctx: typer.Context, run: RunId, name: NewId = None, detach: Detach = False, as_json: AsJson = False) -> None:
    """Start a failed or cancelled run again from where it failed. What was completed is kept, not done again."""

    async def go(runs: "Runs") -> int:
        from ..run_restart import retried

        return await follow(await retried(runs, run, name), detach=detach, as_json=as_json)

    raise typer.Exit(with_runs(ctx, go))


def continue_(
    ctx: typer.Context,
    run: RunId,
    goal: Annotated[
        str, typer.Option("--goal", help="What is to be reached now; else what it has not finished yet.")
    ] = "",
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
    name: NewId = None,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Go on in the conversation of an agent's run that has ended, with all that it knows.

    What is not said is as it was; a budget is a new one, of the same size.
    """
    if facts and not goal:
        raise Rejected("--with gives facts with a goal: say with --goal what is to be reached now.")
    changes = given_words(
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
    )

    async def go(runs: "Runs") -> int:
        from ..agent_runs import continued

        going_on = await continued(runs, run, name, goal=goal, **changes)
        return await follow(going_on, detach=detach, as_json=as_json, of_agent=True)

    raise typer.Exit(with_runs(ctx, go))


def fork(
    ctx: typer.Context,
    run: RunId,
    task: Annotated[str, typer.Option("--from", metavar="TASK", help="Where the new run begins to differ.")],
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="K=V", help="inputs.NAME=V or tasks.ID.output=V; V is JSON or plain text. May be repeated."
        ),
    ] = None,
    name: NewId = None,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Start a new run that does TASK and all that comes after it anew, and keeps the rest of this one."""
    inputs, outputs = {}, {}
    for place, value in read_pairs(changes or [], "--set", EXAMPLE).items():
        match place.split(".", 1)[0], place.partition(".")[2]:
            case "inputs", str(one) if one and "." not in one:
                inputs[one] = value
            case "tasks", str(rest) if rest.endswith(".output") and rest != ".output":
                outputs[rest.removesuffix(".output")] = value
            case _:
                raise ConfigError(f"--set {place}: write inputs.NAME=VALUE or tasks.ID.output=VALUE, as in {EXAMPLE}.")

    async def go(runs: "Runs") -> int:
        from ..run_restart import forked

        forking = await forked(runs, run, task, name, inputs=inputs, outputs=outputs)
        return await follow(forking, detach=detach, as_json=as_json)

    raise typer.Exit(with_runs(ctx, go))


async def follow(run: "RunRef", *, detach: bool, as_json: bool, of_agent: bool = False) -> int:
    if detach:
        tell_started(run, as_json=as_json)
        return 0
    if not as_json:
        typer.echo(f"started {run.id}", err=True)
    show = partial(answered, run.id) if of_agent else None
    return await followed(run, as_json=as_json, of_agent=of_agent, show=show)


def answered(run: str, result: dict[str, Any]) -> int:
    """Prints what an agent has answered, or how it can go on; and what it took. Returns the exit code."""
    typer.secho(_took(result), dim=True, err=True)
    if result["status"] == "answered":
        typer.echo(for_stdout(text_of(result["answer"])))
        return 0
    if result["answer"] is not None:  # as far as it came
        typer.echo(for_stdout(text_of(result["answer"])))
    typer.secho(f"{result['agent']} stopped unfinished: {result['note']}", fg="yellow", err=True)
    typer.echo(as_given(f"let it go on: `resprout runs continue {run}`"), err=True)
    return 1


def _took(result: dict[str, Any]) -> str:
    used, nanos = result["usage"], result["cost_nanos"]
    cost = dollars(nanos) if nanos is not None else "of unknown cost"
    tokens = f"{used['input_tokens']:,} tokens in, {used['output_tokens']:,} out, {cost}"
    return f"{result['model']}: {tokens}; {result['iterations']:,} decisions, {result['tool_calls']:,} calls of tools"
