"""A flow started from the command line and followed to its end."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from ...actors.errors import RunFailed
    from ...workflows.interpreter.run_input import RunInput
    from ..runs import RunRef

from ...actors.errors import Rejected
from ..settings import Settings
from .hints import as_given
from .inputs import remedy
from .plain_text import for_stdout, sentence
from .problems import doubts, show_problems
from .results import text_of
from .run_failure import remedy_of


@dataclass(frozen=True)
class Start:
    """What the command line asks for."""

    flow: str
    inputs: dict[str, Any]
    name: str | None
    tags: tuple[str, ...]
    tenant: str
    detach: bool
    as_json: bool


def prepared(ctx: typer.Context, start: Start) -> "RunInput":
    """Shows what is wrong with the file, as `resprout flow validate` does, and ends with 1 if there are errors."""
    from ..flow_files import frozen
    from ..flow_start import existing, run_input

    file = existing(start.flow)
    freezing = frozen(file)
    show_problems(freezing.problems, err=True)
    if freezing.frozen is None:
        raise typer.Exit(1)
    show_problems(doubts(ctx, file), err=True)
    try:
        return run_input(freezing.frozen, start.inputs, tenant=start.tenant, tags=start.tags)
    except Rejected as error:
        raise Rejected(f"{error}{remedy(str(error))}") from None


async def run_flow(settings: Settings, given: "RunInput", start: Start) -> int:
    """Returns the exit code."""
    from .. import temporal
    from ..runs import Runs
    from ..speech import Listening

    runs = Runs(await temporal.client_of(settings), settings.temporal, Listening(settings))
    run = await runs.start(given, start.name)
    if start.detach:
        tell_started(run, as_json=start.as_json)
        return 0
    return await followed(run, as_json=start.as_json)


def tell_started(run: "RunRef", *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_told(run)))
        return
    typer.echo(f"started {run.id}")
    typer.secho(as_given(f"watch it: `resprout runs watch {run.id}`"), dim=True)
    _link(run)


async def followed(
    run: "RunRef",
    *,
    as_json: bool,
    with_remedy: bool = True,
    of_agent: bool = False,
    show: "Callable[[Any], int] | None" = None,
) -> int:
    """Waits for the end, showing how it goes; returns the exit code. A single call says itself what would help.

    `show` prints the output, if it is not to be printed as it is, and says the exit code."""
    from ...actors.errors import RunFailed
    from .follow import result

    try:
        output = await result(run, quiet=as_json)
    except RunFailed as failure:
        what_next = remedy_of(failure, of_agent=of_agent) if with_remedy else None
        _show_failure(run, failure, what_next, as_json=as_json)
        return 1
    if as_json:
        typer.echo(json.dumps({**_told(run), "status": "completed", "result": output}))
        return 0
    if show is not None:
        code = show(output)
    else:
        typer.echo(for_stdout(text_of(output)))
        code = 0
    _link(run)
    return code


def _show_failure(run: "RunRef", failure: "RunFailed", what_next: str | None, *, as_json: bool) -> None:
    if as_json:
        error = {"message": str(failure), "type": failure.type, "task": failure.task}
        typer.echo(json.dumps({**_told(run), "status": failure.status, "error": error}))
        return
    typer.secho(sentence(str(failure)), fg="red", err=True)
    if what_next is None:
        return
    if failure.task is not None:
        typer.echo(f"the failed task: {failure.task}", err=True)
    typer.echo(what_next, err=True)
    _link(run)


def _told(run: "RunRef") -> dict[str, Any]:
    return {"id": run.id, "run_id": run.handle.result_run_id, "url": run.url}


def _link(run: "RunRef") -> None:
    if run.url:
        Console().print(f"run {run.id}: {run.url}", style="dim", soft_wrap=True, markup=False)
