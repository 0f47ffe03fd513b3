"""What the commands about runs take alike, and how they reach Temporal."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ...actors.errors import Rejected
from ..stack.find import attach
from .flags import settings_of

if TYPE_CHECKING:
    from ..run_rows import RunRow
    from ..runs import RunRef, Runs

Result = TypeVar("Result")

RunId = Annotated[str, typer.Argument(metavar="ID", help="The id of the run.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")]
NewId = Annotated[str | None, typer.Option("--id", help="Id of the new run.")]
Detach = Annotated[
    bool, typer.Option("--detach/--wait", "-d/-w", help="Return when it is started, or wait for its result.")
]


def with_runs(ctx: typer.Context, work: "Callable[[Runs], Awaitable[Result]]") -> Result:
    settings = attach(settings_of(ctx).settings, "temporal.address")

    async def go() -> Result:
        from .. import temporal
        from ..runs import Runs
        from ..speech import Listening

        temporal.keep_retries_quiet()
        return await work(Runs(await temporal.client_of(settings), settings.temporal, Listening(settings)))

    return asyncio.run(go())


def on_open_run(
    ctx: typer.Context,
    run: str,
    work: "Callable[[RunRef], Awaitable[Result]]",
    *,
    of_flow: bool = True,
    of_agent: bool = False,
) -> "tuple[RunRow, Result]":
    """What the run was before, and what came of the work. `of_flow`: other workflows do not understand what is said.

    Raises NotFound, naming the nearest, and Rejected for a run that has ended.
    """

    async def go(runs: "Runs") -> "tuple[RunRow, Result]":
        from ..run_errors import not_of_a_flow, not_of_an_agent
        from ..runs import AGENT, FLOW

        ref = runs.get(run)
        row = await ref.describe()
        if of_flow and row.kind not in (FLOW, AGENT):
            raise not_of_a_flow(run, row.kind)
        if of_agent and row.kind != AGENT:
            raise not_of_an_agent(run, row.kind)
        if not row.is_open:
            raise Rejected(f"{run} has ended ({row.status}): see `resprout runs show {run}`.")
        return row, await work(ref)

    return with_runs(ctx, go)
