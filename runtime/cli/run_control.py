"""`resprout runs pause | resume | cancel | terminate | signal | steer | approve`: what can be said to a run."""

import getpass
import json
from typing import Annotated

import typer

from ...actors.errors import Rejected
from .hints import as_given
from .inputs import read_pairs
from .run_options import RunId, on_open_run

PAUSED = "paused"


def register(runs: typer.Typer) -> None:
    for command in (pause, resume, cancel, terminate, signal, steer, approve):
        runs.command(command.__name__)(command)


def pause(ctx: typer.Context, run: RunId) -> None:
    """Let nothing new begin in a run and in its child flows; what is in flight ends."""
    before, _ = on_open_run(ctx, run, lambda ref: ref.pause())
    already = " already" if before.status == PAUSED else ""
    typer.echo(as_given(f"{run} is paused{already}: it goes on with `resprout runs resume {run}`"))


def resume(ctx: typer.Context, run: RunId) -> None:
    """Let a paused run go on."""
    before, _ = on_open_run(ctx, run, lambda ref: ref.resume())
    typer.echo(f"{run} goes on" if before.status == PAUSED else f"{run} was not paused: it goes on")


def cancel(ctx: typer.Context, run: RunId) -> None:
    """Ask a run to end: everything in flight is cancelled, then `finally` and `compensate` run."""
    on_open_run(ctx, run, lambda ref: ref.cancel(), of_flow=False)
    typer.echo(as_given(f"{run} is being cancelled: see `resprout runs watch {run}`"))


def terminate(
    ctx: typer.Context,
    run: RunId,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the run.")],
) -> None:
    """End a run at once, without cleaning up: for one that `cancel` does not end."""
    on_open_run(ctx, run, lambda ref: ref.terminate(reason), of_flow=False)
    typer.echo(f"{run} is terminated")


def signal(
    ctx: typer.Context,
    run: RunId,
    name: Annotated[str, typer.Argument(help="The name of the signal, as in the flow's `wait`.")],
    data: Annotated[str | None, typer.Option("--data", metavar="JSON", help="What the signal brings.")] = None,
) -> None:
    """Send a signal to a task that waits for it, now or later."""
    try:
        brought = json.loads(data) if data is not None else None
    except ValueError:
        raise Rejected(f"--data {data} is not JSON: write text in quotes, as in --data '\"yes\"'.") from None
    on_open_run(ctx, run, lambda ref: ref.signal(name, brought))
    typer.echo(f"{run} has got the signal {name}")


def steer(
    ctx: typer.Context, run: RunId, text: Annotated[str, typer.Argument(help="What the agent is to know.")]
) -> None:
    """Say something to an agent while it is at work: it hears it with its next decision."""
    on_open_run(ctx, run, lambda ref: ref.steer(text), of_agent=True)
    typer.echo(f"{run} will hear it with its next decision")


def approve(
    ctx: typer.Context,
    run: RunId,
    task: Annotated[str | None, typer.Argument(help="Which approval, where several wait.")] = None,
    reject: Annotated[bool, typer.Option("--reject", help="Say no.")] = False,
    comment: Annotated[str, typer.Option("--comment", help="Why.")] = "",
    fields: Annotated[
        list[str] | None, typer.Option("--field", metavar="K=V", help="A field of the form; V is JSON or plain text.")
    ] = None,
    name: Annotated[str | None, typer.Option("--as", help="Who answers. Default: the user of this machine.")] = None,
) -> None:
    """Answer an approval that a run waits for."""
    from ...workflows.interpreter.approvals import Answer

    answer = Answer(
        task=task,
        decision="reject" if reject else "approve",
        by=name or getpass.getuser(),
        comment=comment,
        form=read_pairs(fields or [], "--field", "limit=100"),
    )
    _, answered = on_open_run(ctx, run, lambda ref: ref.answer(answer))
    typer.echo(f"{run}: {answered} is {'rejected' if reject else 'approved'} by {answer.by}")
