"""The outcome of a run that somebody waits for. Temporal keeps the run, so losing sight of it is not its failure:
a short absence of Temporal is waited for, and who stops waiting is told how to look again.
"""

import asyncio
import shlex
from datetime import timedelta
from typing import Any

import typer
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

from ...actors.errors import OutcomeUnknown
from .. import temporal
from ..run_errors import AWAY
from ..settings import TemporalSettings
from .hints import as_given

# On top of the 10 s that the SDK tries by itself: the supervisor needs a few to start a dead Temporal again.
ABSENCE = timedelta(seconds=20)
BETWEEN_LOOKS = timedelta(seconds=0.5)


async def outcome(handle: WorkflowHandle[Any, Any], settings: TemporalSettings, look: str | None = None) -> Any:
    """The result; raises WorkflowFailureError, or OutcomeUnknown when Temporal stays away.

    `look` says how to look again, where there is more to look at than what Temporal's own command shows.
    """
    try:
        while True:
            try:
                return await handle.result()
            except RPCError as error:
                await _come_back(handle, error)
    except RPCError as error:
        raise unknown(handle.id, settings, error, url(handle, settings), look) from None
    except asyncio.CancelledError:  # Ctrl-C
        how = look or _look(handle.id, settings, url(handle, settings))
        typer.echo(as_given(f"run {handle.id} goes on. {how}"), err=True)
        raise


def unknown(
    workflow_id: str, settings: TemporalSettings, error: RPCError, link: str | None = None, look: str | None = None
) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"the outcome of run {workflow_id} is unknown: asking Temporal at {settings.address} failed "
        f"({error.message}). What was started goes on when Temporal is back. "
        f"{look or _look(workflow_id, settings, link)}"
    )


def url(handle: WorkflowHandle[Any, Any], settings: TemporalSettings) -> str | None:
    return temporal.run_url(settings, handle.id, handle.result_run_id or "")


async def _come_back(handle: WorkflowHandle[Any, Any], error: RPCError) -> None:
    """Returns when Temporal answers again; raises `error` when it does not for too long, or did not go away."""
    if error.status not in AWAY:
        raise error
    typer.echo(f"Temporal does not answer; waiting up to {ABSENCE.total_seconds():.0f} s for it.", err=True)
    deadline = asyncio.get_running_loop().time() + ABSENCE.total_seconds()
    while asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(BETWEEN_LOOKS.total_seconds())
        try:
            await handle.describe(rpc_timeout=timedelta(seconds=2))
        except RPCError as still:
            if still.status not in AWAY:
                raise
        else:
            return
    raise error


def _look(workflow_id: str, settings: TemporalSettings, link: str | None) -> str:
    command = ["temporal", "workflow", "show", "--workflow-id", workflow_id, "--address", settings.address or ""]
    if settings.namespace != "default":
        command += ["--namespace", settings.namespace]
    return f"Look at it with `{shlex.join(command)}`" + (f" or at {link}" if link else ".")
