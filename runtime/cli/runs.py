"""`resprout runs …`: find runs and look at them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..run_rows import RunRow
    from ..run_watch import View
    from ..runs import RunRef, Runs
    from .run_events import Events

from ...actors.errors import Rejected
from . import run_again, run_control, run_trace
from .queries import print_rows
from .results import text_of, write
from .run_options import AsJson, Limit, RunId, with_runs


def register(app: typer.Typer) -> None:
    runs = typer.Typer(no_args_is_help=True, help="Runs of flows and agents: find, watch, stop, answer, start again.")
    runs.command("list")(list_)
    runs.command("show")(show)
    runs.command("watch")(watch)
    run_control.register(runs)
    run_again.register(runs)
    run_trace.register(runs)
    app.add_typer(runs, name="runs")
    app.command("replay")(run_trace.replay)


def list_(
    ctx: typer.Context,
    status: Annotated[
        list[str] | None,
        typer.Option(
            "--status",
            help="running, paused, waiting, completed, failed, cancelled, terminated or timed-out; may be repeated.",
        ),
    ] = None,
    flow: Annotated[str | None, typer.Option("--flow", help="Only runs of this flow.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Only with this tag; may be repeated.")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only on this account.")] = None,
    children: Annotated[bool, typer.Option("--children", help="Also the runs of child flows.")] = False,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """List runs: those that go on, then those that have ended; the newest first."""
    from ..run_rows import query
    from .run_view import length

    wanted = query(statuses=status or (), flow=flow, tags=tag or (), tenant=tenant, children=children)
    found = with_runs(ctx, lambda runs: runs.list(wanted, limit=limit))
    if as_json:
        typer.echo(json.dumps([row.as_json() for row in found]))
        return
    now = datetime.now(UTC)
    print_rows(
        ("id", "flow", "version", "status", "started", "time", "tags", "tenant"),
        (
            (
                r.id,
                r.flow,
                r.version,
                r.status,
                r.started_at,
                length(r.started_at, r.ended_at, now),
                " ".join(r.tags),
                r.tenant,
            )
            for r in found
        ),
    )
    if len(found) == limit:
        typer.echo(f"There may be more: --limit {min(limit * 10, 10_000)}", err=True)


def show(
    ctx: typer.Context,
    run: RunId,
    output_file: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the result there, whole.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a run: its tasks, what it was given, what came out or why it failed. Of a large result, the beginning."""
    from .run_view import print_end, print_view

    seen, inputs, output = with_runs(ctx, lambda runs: _look(runs, run))
    if output_file is not None:
        _keep(seen.row, output, output_file)
    if as_json:
        more = {"result": output} if seen.row.status == "completed" else {}
        typer.echo(json.dumps({**seen.as_json(), "inputs": inputs, **more}))
    elif output_file is None:
        print_view(seen, inputs)
        print_end(seen, output)
    if seen.silence is not None:
        raise seen.silence


def _keep(row: "RunRow", output: Any, file: Path) -> None:
    if row.status != "completed":
        raise Rejected(
            f"{row.id} has no result to write to {file}: it is {row.status}, see `resprout runs show {row.id}`."
        )
    write(text_of(output) + "\n", file)
    typer.echo(f"wrote {file}", err=True)


async def _look(runs: "Runs", run: str) -> "tuple[View, dict[str, Any], Any]":
    from ..run_watch import Watch

    ref = runs.get(run)
    seen = await Watch(runs).look(ref)
    output = await ref.result() if seen.row.status == "completed" else None
    began = seen.silence is None and not (seen.failure is not None and seen.failure.never_began)
    return seen, await _given(ref, seen.row.kind) if began else {}, output


async def _given(ref: "RunRef", kind: str) -> dict[str, Any]:
    from ...workflows.agent_run.run_input import AgentRunInput
    from ..runs import FLOW

    if kind == FLOW:
        return dict((await ref.given()).inputs)
    given = await ref.given(AgentRunInput)
    return given.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"carried", "chain"})


def watch(
    ctx: typer.Context,
    run: RunId,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object for each piece of news, one a line.")] = False,
) -> None:
    """Show a run until it has ended: a live tree on a terminal, a line for each piece of news elsewhere.

    What its sandboxes write is shown while they run. Exit code 0 if it was completed, 1 if not.
    """
    from .run_events import Events
    from .run_view import print_end

    events = Events() if as_json else None
    seen, output = with_runs(ctx, lambda runs: _watch(runs.get(run), events))
    if events is not None:
        events.ended(seen, output)
    else:
        print_end(seen, output)
    if seen.silence is not None:
        raise seen.silence
    raise typer.Exit(0 if seen.row.status == "completed" else 1)


async def _watch(run: "RunRef", events: "Events | None") -> "tuple[View, Any]":
    import asyncio

    from .follow import show, tell
    from .stack_view import console

    try:
        seen = await (show(run, console()) if events is None else tell(run, events))
    except asyncio.CancelledError:  # Ctrl-C
        typer.echo(f"run {run.id} goes on.", err=True)
        raise
    return seen, await run.result() if seen.row.status == "completed" else None
