"""`resprout runs history | export` and `resprout replay`: what happened in a run."""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live

if TYPE_CHECKING:
    from ..run_events import Event
    from ..run_trace import Trace
    from ..runs import Runs

from ...actors.errors import Rejected
from .hints import as_given
from .queries import print_rows
from .run_options import AsJson, RunId, with_runs


def register(runs: typer.Typer) -> None:
    runs.command("history")(history)
    runs.command("export")(export)


def history(ctx: typer.Context, run: RunId, as_json: AsJson = False) -> None:
    """List what happened in a run, step by step."""

    async def go(runs: "Runs") -> "list[Event]":
        from ..run_events import events

        return [event async for event in events(runs.get(run))]

    found = with_runs(ctx, go)
    if as_json:
        typer.echo(json.dumps([event.as_json() for event in found]))
    else:
        _print_events(found)


def _print_events(found: "Iterable[Event]") -> None:
    print_rows(("at", "what", "about", "why"), ((f"{e.at:%H:%M:%S.%f}"[:-3], e.what, e.about, e.note) for e in found))


def export(
    ctx: typer.Context,
    run: RunId,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write there.")] = None,
) -> None:
    """Write a run as a JSONL trace, which `resprout replay` shows again, offline."""

    async def go(runs: "Runs") -> str:
        from ..run_trace import lines

        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in await lines(runs.get(run)))

    text = with_runs(ctx, go)
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Rejected(f"{output} cannot be written: {(error.strerror or 'unknown reason').lower()}.") from None
    typer.echo(as_given(f"wrote {output}: see it with `resprout replay {output}`"), err=True)


def replay(
    file: Annotated[Path, typer.Argument(help="A trace that `resprout runs export` wrote.")],
    speed: Annotated[
        float | None,
        typer.Option("--speed", min=0.01, metavar="N", help="On a terminal: play it, so many times as fast as it was."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show an exported run again: what happened, its tasks, what came out. Needs no stack."""
    from ..run_trace import read

    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise Rejected(f"{file} cannot be read: {(error.strerror or 'unknown reason').lower()}.") from None
    except UnicodeDecodeError:
        raise Rejected(f"{file} is not UTF-8 text, so it is no trace of a run.") from None
    trace = read(text, str(file))
    if as_json:
        typer.echo(json.dumps({**trace.view().as_json(), "inputs": trace.inputs, "result": trace.result}))
        return
    from .run_view import print_end, print_view
    from .stack_view import console

    if speed is not None and console().is_terminal:
        _play(trace, speed)
    else:
        _print_events(trace.events)
    print_view(trace.view(), trace.inputs)
    print_end(trace.view(), trace.result)


def _play(trace: "Trace", speed: float) -> None:
    from .run_view import view
    from .stack_view import console

    moments = trace.moments()
    with Live(console=console(), transient=True, auto_refresh=False, vertical_overflow="ellipsis") as live:
        for moment, after in zip(moments, [*moments[1:], moments[-1]], strict=True):
            live.update(view(trace.at(moment), moment), refresh=True)
            time.sleep((after - moment).total_seconds() / speed)
