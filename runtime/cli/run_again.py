"""`resprout runs retry | fork`: new runs that take over what others have done."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..runs import RunRef, Runs

from ...actors.errors import ConfigError
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
    iterations: Annotated[
        int | None, typer.Option("--max-iterations", min=1, max=10_000, help="Decisions that it has from here on.")
    ] = None,
    name: NewId = None,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Go on in the conversation of an agent's run that has ended, with all that it knows."""

    async def go(runs: "Runs") -> int:
        from ..agent_runs import continued

        going_on = await continued(runs, run, name, goal=goal, max_iterations=iterations)
        return await follow(going_on, detach=detach, as_json=as_json, show=partial(answered, going_on.id))

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


async def follow(run: "RunRef", *, detach: bool, as_json: bool, show: "Callable[[Any], int] | None" = None) -> int:
    if detach:
        tell_started(run, as_json=as_json)
        return 0
    if not as_json:
        typer.echo(f"started {run.id}", err=True)
    return await followed(run, as_json=as_json, show=show)


def answered(run: str, result: dict[str, Any]) -> int:
    """Prints what an agent has answered, or how it can go on. Returns the exit code."""
    if result["status"] == "answered":
        typer.echo(for_stdout(text_of(result["answer"])))
        return 0
    typer.secho(f"{result['agent']} stopped unfinished: {result['note']}", fg="yellow", err=True)
    typer.echo(as_given(f"let it go on: `resprout runs continue {run}`"), err=True)
    return 1
