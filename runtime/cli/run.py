"""`resprout run`: starts a flow and waits for its result."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from ...workflows.interpreter.run_input import RunInput

from ...actors.errors import Rejected
from ..settings import Settings
from ..stack.find import attach
from . import run_again, run_flow, run_hello, schedules
from .flags import settings_of
from .inputs import read_inputs
from .run_flow import Start


class RunOrContinue(TyperCommand):
    """`run continue ID` is `runs continue ID`, for who takes one for the other. A flow in a file `continue` is
    `./continue`.
    """

    def make_context(self, info_name: str | None, args: list[str], *words: Any, **more: Any) -> Any:
        if args[:1] == ["continue"]:
            return run_again.continuing().make_context(f"{info_name} continue", args[1:], *words, **more)
        return super().make_context(info_name, args, *words, **more)


def register(app: typer.Typer) -> None:
    app.command("run", cls=RunOrContinue)(run)


def run(
    ctx: typer.Context,
    flow: Annotated[str, typer.Argument(metavar="FILE", help="A flow file; or a team, as in team/debate; or hello.")],
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input", "-i", metavar="K=V", help="""One input; V is JSON or plain text: 5 is a number, '"5"' is text."""
        ),
    ] = None,
    input_file: Annotated[Path | None, typer.Option("--input-file", help="All inputs, as a JSON object.")] = None,
    name: Annotated[
        str | None, typer.Option("--id", help="Id of the run: the same id never runs twice at once.")
    ] = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", help="A label to find the run by; may be repeated.")
    ] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="On whose account it runs; else default.")] = None,
    detach: Annotated[
        bool | None, typer.Option("--detach/--wait", "-d/-w", help="Return when it is started, or wait for its result.")
    ] = None,
    cron: Annotated[
        str | None, typer.Option("--schedule", metavar="CRON", help='Start by itself, as in "0 6 * * *" (UTC).')
    ] = None,
    every: Annotated[str | None, typer.Option("--every", metavar="TIME", help="Start so often, as in 15m.")] = None,
    jitter: Annotated[
        str | None, typer.Option("--jitter", metavar="TIME", help="Of a schedule: start up to so much later.")
    ] = None,
    overlap: Annotated[
        str | None,
        typer.Option(
            "--overlap", help="Of a schedule, while its last run goes on: skip, buffer (one), allow or cancel that run."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The result as one JSON object.")] = False,
    print_input: Annotated[
        bool,
        typer.Option(
            "--print-input",
            help="Start nothing; print what `temporal workflow start --type flow --input-file` takes.",
        ),
    ] = False,
) -> None:
    """Start a flow, show how it goes, print its result and a link to the run in the Temporal UI.

    `run continue ID` goes on with an agent's run that has ended: see `runs continue`.
    """
    start = Start(
        flow, read_inputs(inputs or [], input_file), name, tuple(tags or ()), tenant or "default", bool(detach), as_json
    )
    timed = {"--schedule": cron, "--every": every, "--jitter": jitter, "--overlap": overlap}
    if flow == run_hello.HELLO:
        _refuse("hello takes no", {"--tag": tags, "--tenant": tenant, "--print-input": print_input or None, **timed})
        raise typer.Exit(_traced(ctx, start, None))
    if print_input:
        ways = {"--id": name, "--detach or --wait": detach, **timed}
        _refuse("--print-input starts nothing, so it takes no", ways)
    elif cron or every:
        _refuse("a schedule is made and not waited for, so it takes no", {"--detach or --wait": detach})
    given = run_flow.prepared(ctx, start)
    timing = schedules.timing_of(cron, every, jitter, overlap, given.name)
    if print_input:
        typer.echo(given.model_dump_json(exclude_defaults=True))
    elif timing is not None:
        schedules.create(ctx, given, timing, name, as_json=as_json)
    else:
        raise typer.Exit(_traced(ctx, start, given))


def _refuse(why: str, options: dict[str, Any]) -> None:
    """Those that would be passed over."""
    given = [option for option, value in options.items() if value is not None]
    if given:
        raise Rejected(f"{why} {' and no '.join(given)}: leave {'it' if len(given) == 1 else 'them'} out.")


def _traced(ctx: typer.Context, start: Start, given: "RunInput | None") -> int:
    from ..telemetry import configure_traces

    settings = attach(settings_of(ctx).settings, "temporal.address")
    flush = configure_traces(settings.telemetry, "cli")
    try:
        return asyncio.run(_run(settings, start, given))
    finally:
        flush()


async def _run(settings: Settings, start: Start, given: "RunInput | None") -> int:
    from opentelemetry import trace

    from .. import temporal

    temporal.keep_retries_quiet()
    with trace.get_tracer("resprout.cli").start_as_current_span(f"resprout run {start.flow}"):
        if given is not None:
            return await run_flow.run_flow(settings, given, start)
        return await run_hello.run_hello(settings, start.inputs, start.name, detach=start.detach, as_json=start.as_json)
