"""`resprout run hello`: the shortest way through every part, without a flow file."""

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import typer
from rich.console import Console

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle

from ...actors.errors import Rejected
from ..settings import Settings
from .inputs import remedy

HELLO = "hello"  # the workflow type


async def run_hello(
    settings: Settings, inputs: dict[str, Any], name: str | None, *, detach: bool, as_json: bool
) -> int:
    """Returns the exit code."""
    from .. import temporal

    client = await temporal.client_of(settings)
    handle = await _start(client, settings, inputs, name or f"{HELLO}-{uuid4()}")
    return await _report(settings, handle, detach=detach, as_json=as_json)


async def _start(client: "Client", settings: Settings, inputs: dict[str, Any], name: str) -> "WorkflowHandle[Any, Any]":
    from temporalio.exceptions import WorkflowAlreadyStartedError
    from temporalio.service import RPCError

    from ..run_errors import AWAY
    from .outcome import unknown

    try:
        return await client.start_workflow(HELLO, inputs, id=name, task_queue=settings.temporal.task_queue)
    except WorkflowAlreadyStartedError:
        raise Rejected(f"a run with the id {name!r} is going on. Choose another --id, or wait for it.") from None
    except RPCError as error:
        if error.status in AWAY:
            raise unknown(name, settings.temporal, error) from None
        raise Rejected(f"Temporal refuses to start {name!r}: {error.message}.") from None


async def _report(settings: Settings, handle: "WorkflowHandle[Any, Any]", *, detach: bool, as_json: bool) -> int:
    from temporalio.client import WorkflowFailureError

    from . import outcome

    url = outcome.url(handle, settings.temporal)
    told: dict[str, Any] = {"id": handle.id, "run_id": handle.result_run_id, "url": url}
    code = 0
    if not detach:
        try:
            told |= {"status": "completed", "result": await _result(settings, handle, quiet=as_json)}
        except WorkflowFailureError as error:
            told |= {"status": "failed", "error": _cause(error)}
            code = 1
    if as_json:
        typer.echo(json.dumps(told))
    else:
        _print(told)
    return code


async def _result(settings: Settings, handle: "WorkflowHandle[Any, Any]", *, quiet: bool) -> Any:
    from .outcome import outcome

    if quiet:
        return await outcome(handle, settings.temporal)
    with Console(stderr=True).status(f"running {handle.id}"):
        return await outcome(handle, settings.temporal)


def _print(told: dict[str, Any]) -> None:
    console = Console()
    match told.get("status"):
        case "completed":
            console.print(_answer(told["result"]), style="bold green", markup=False)
        case "failed":
            said = f"failed: {told['error']}{remedy(told['error'])}"
            Console(stderr=True).print(said, style="red", markup=False, soft_wrap=True)
        case _:
            console.print(f"started {told['id']}", markup=False)
    if told["url"]:
        console.print(f"run {told['id']}: {told['url']}", style="dim", soft_wrap=True, markup=False)


def _answer(result: Any) -> str:
    if isinstance(result, dict) and "greeting" in result:
        return str(result["greeting"])
    return json.dumps(result, indent=2)


def _cause(error: BaseException) -> str:
    from temporalio.exceptions import FailureError

    while error.__cause__ is not None:
        error = error.__cause__
    return error.message if isinstance(error, FailureError) else str(error)
