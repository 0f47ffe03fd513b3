"""Following a run: its tree on a terminal, a line for each piece of news elsewhere."""

import asyncio
from contextlib import suppress
from typing import Any

from rich.console import Console
from rich.live import Live
from temporalio.client import WorkflowFailureError
from temporalio.service import RPCError

from ...actors.errors import ResproutError
from ..run_errors import failure
from ..run_watch import View, Watch, looks
from ..runs import RunRef
from .outcome import outcome
from .run_events import Events
from .run_view import News, view

LAST_LOOK = 2.0  # seconds that it may take when the outcome is known


async def result(run: RunRef, *, quiet: bool) -> Any:
    """Waits for the end of the run. Raises RunFailed; who is interrupted is told how to come back."""
    look = f"Come back with `resprout runs watch {run.id}`, or end it with `resprout runs cancel {run.id}`."
    ended = asyncio.Event()
    showing = None if quiet else asyncio.create_task(show(run, Console(stderr=True), ended=ended, stays=False))
    try:
        return await outcome(run.handle, run.runs.settings, look)
    except WorkflowFailureError as error:
        raise failure(run.id, error) from None
    finally:
        ended.set()
        if showing is not None:
            # A look that fails is not the run's failure: the outcome is what counts.
            with suppress(asyncio.CancelledError, ResproutError, RPCError, TimeoutError):
                await asyncio.wait_for(showing, LAST_LOOK)


async def show(run: RunRef, console: Console, *, ended: asyncio.Event | None = None, stays: bool = True) -> View:
    """Shows the run until it has ended; `stays` says whether its last picture does."""
    if not console.is_terminal:
        return await tell(run, News(err=console.stderr), ended)
    watch = Watch(run.runs)
    with Live(console=console, transient=not stays, refresh_per_second=4, vertical_overflow="ellipsis") as live:
        async for seen in looks(watch, run, ended):
            live.update(view(seen))
    return seen


async def tell(run: RunRef, news: News | Events, ended: asyncio.Event | None = None) -> View:
    """Tells of the run until it has ended."""
    async for seen in looks(Watch(run.runs), run, ended):
        news.tell(seen)
    return seen
