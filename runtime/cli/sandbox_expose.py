"""`resprout sandbox expose`: a port of a workspace, for its owner, for as long as the command runs."""

import asyncio
import json
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ...activities.sandbox.workspaces import Workspaces

from .run_options import AsJson
from .sandbox_workspaces import Name, seconds, with_workspaces


def expose(
    ctx: typer.Context,
    name: Name,
    port: Annotated[int, typer.Argument(metavar="PORT", min=1, max=65535, help="Where something listens inside.")],
    local: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Of this machine. Default: any that is free.")
    ] = 0,
    path: Annotated[
        Path | None, typer.Option("--socket", metavar="PATH", help="A unix socket of yours, instead of a port.")
    ] = None,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="TIME", help="End by itself after so long.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Reach a port in a workspace from this machine, as its owner and nobody else. Ends with Ctrl-C."""
    longest = seconds(timeout).total_seconds() if timeout is not None else None

    async def serve(workspaces: "Workspaces") -> None:
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        async with AsyncExitStack() as stack:
            opened = await stack.enter_async_context(workspaces.port(name, port))
            if path is not None:
                where = str(await stack.enter_async_context(opened.on_socket(path)))
            else:
                where = f"http://127.0.0.1:{await stack.enter_async_context(opened.on_loopback(local))}"
            typer.echo(json.dumps({"at": where}) if as_json else f"{name}:{port} is at {where}, for you alone")
            try:
                await asyncio.wait_for(ended.wait(), longest)
            except TimeoutError:
                return

    with_workspaces(ctx, serve, None)
