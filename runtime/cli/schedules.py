"""`resprout run FILE --schedule | --every` and `resprout schedules …`: flows that start by themselves."""

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from ...workflows.interpreter.run_input import RunInput
    from ..schedules import ScheduleRow, Schedules, Timing

from ...actors.errors import Rejected
from .hints import as_given
from .queries import print_rows
from .run_options import AsJson, Limit, with_runs

Result = TypeVar("Result")

ScheduleId = Annotated[str, typer.Argument(metavar="ID", help="The id of the schedule.")]


def register(app: typer.Typer) -> None:
    schedules = typer.Typer(no_args_is_help=True, help="Flows that start by themselves.")
    for command in (list_, show, pause, resume, trigger, delete):
        schedules.command(command.__name__.rstrip("_"))(command)
    app.add_typer(schedules, name="schedules")


def timing_of(
    cron: str | None, every: str | None, jitter: str | None, overlap: str | None, flow: str
) -> "Timing | None":
    """What the options of `run` say; None when the flow starts now and once."""
    from pydantic import ValidationError

    from ..schedules import Timing

    if cron is None and every is None:
        if jitter is not None or overlap is not None:
            raise Rejected("--jitter and --overlap belong to a schedule: give --schedule or --every, too.")
        return None
    if cron is not None and every is not None:
        raise Rejected("--schedule and --every: give one of them.")
    lengths = {"every": _length("--every", every), "jitter": _length("--jitter", jitter)}
    try:
        return Timing.model_validate({"flow": flow, "cron": cron, **lengths, "overlap": overlap or "skip"})
    except ValidationError:
        raise Rejected(f"--overlap {overlap}: it is one of skip, buffer, allow, cancel.") from None


def _length(option: str, text: str | None) -> Any:
    from ...actors.duration import parse_duration

    try:
        return parse_duration(text) if text is not None else None
    except ValueError as error:
        raise Rejected(f"{option} {text}: {error}") from None


def create(ctx: typer.Context, given: "RunInput", timing: "Timing", name: str | None, *, as_json: bool) -> None:
    made = _with_schedules(ctx, lambda schedules: schedules.create(name or timing.flow, given, timing))
    if as_json:
        typer.echo(json.dumps(made.as_json()))
        return
    typer.echo(f"scheduled {made.id}: {made.when}; next {_next(made)}")


def list_(ctx: typer.Context, limit: Limit = 100, as_json: AsJson = False) -> None:
    """List the schedules of flows."""
    found = _with_schedules(ctx, lambda schedules: schedules.list(limit=limit))
    if as_json:
        typer.echo(json.dumps([row.as_json() for row in found]))
        return
    print_rows(
        ("id", "flow", "when", "overlap", "status", "next", "last run"),
        ((r.id, r.flow, r.when, r.overlap, _status(r), _next(r), r.recent[-1] if r.recent else None) for r in found),
    )


def show(ctx: typer.Context, schedule: ScheduleId, as_json: AsJson = False) -> None:
    """Show a schedule: when it starts next, and the runs that it started last."""
    found = _with_schedules(ctx, lambda schedules: schedules.show(schedule))
    if as_json:
        typer.echo(json.dumps(found.as_json()))
        return
    typer.echo(f"{found.id}: {found.flow}, {found.when}; {_status(found)}; overlap: {found.overlap}")
    for moment in found.next[:5]:
        typer.echo(f"next  {moment:%Y-%m-%d %H:%M:%S %Z}")
    for run in reversed(found.recent):
        typer.echo(f"run   {run}")


def pause(
    ctx: typer.Context,
    schedule: ScheduleId,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the schedule.")] = "",
) -> None:
    """Start nothing more until it is resumed. Runs that it started go on."""
    _with_schedules(ctx, lambda schedules: schedules.pause(schedule, reason or "by resprout schedules pause"))
    typer.echo(as_given(f"{schedule} is paused: it goes on with `resprout schedules resume {schedule}`"))


def resume(ctx: typer.Context, schedule: ScheduleId) -> None:
    """Let a paused schedule go on."""
    _with_schedules(ctx, lambda schedules: schedules.resume(schedule))
    typer.echo(f"{schedule} goes on")


def trigger(ctx: typer.Context, schedule: ScheduleId) -> None:
    """Start a run now, beside those that the schedule starts."""
    _with_schedules(ctx, lambda schedules: schedules.trigger(schedule))
    typer.echo(as_given(f"{schedule} starts a run now: see `resprout schedules show {schedule}`"))


def delete(ctx: typer.Context, schedule: ScheduleId) -> None:
    """Forget a schedule. Runs that it started go on."""
    _with_schedules(ctx, lambda schedules: schedules.delete(schedule))
    typer.echo(f"{schedule} is deleted")


def _with_schedules(ctx: typer.Context, work: "Callable[[Schedules], Awaitable[Result]]") -> Result:
    async def go(runs: Any) -> Result:
        from ..schedules import Schedules

        return await work(Schedules(runs.client, runs.settings))

    return with_runs(ctx, go)


def _status(row: "ScheduleRow") -> str:
    return f"paused ({row.note})" if row.paused else "active"


def _next(row: "ScheduleRow") -> str:
    return f"{row.next[0]:%Y-%m-%d %H:%M:%S %Z}" if row.next and not row.paused else ""
