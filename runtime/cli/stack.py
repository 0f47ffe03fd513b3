"""`resprout up | down | status`."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.live import Live

from ...actors.errors import StackError
from ..settings import Settings
from ..stack import process, state
from ..stack.environment import environment
from ..stack.paths import StackPaths
from ..stack.service import Service
from ..stack.state import StackState
from .flags import Options, settings_of
from .hints import as_given
from .stack_view import as_json, progress, summary, table
from .stack_view import console as wide_console

if TYPE_CHECKING:
    from ..stack.plan import Plan

POLL_SECONDS = 0.1
DOWN_PATIENCE = timedelta(seconds=90)


def register(app: typer.Typer) -> None:
    app.command("up")(up)
    app.command("down")(down)
    app.command("status")(status)


def up(
    ctx: typer.Context,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when all is healthy.")] = False,
    postgres_dsn: Annotated[str | None, typer.Option("--postgres-dsn", help="Use this Postgres.")] = None,
    temporal_address: Annotated[str | None, typer.Option("--temporal-address", help="Use this Temporal.")] = None,
    ray_address: Annotated[str | None, typer.Option("--ray-address", help="Use this Ray cluster.")] = None,
    gateway_port: Annotated[int | None, typer.Option("--gateway-port", help="This port or none.")] = None,
    temporal_port: Annotated[int | None, typer.Option("--temporal-port", help="This port or none.")] = None,
    temporal_ui_port: Annotated[int | None, typer.Option("--temporal-ui-port", help="This port or none.")] = None,
    ray_port: Annotated[int | None, typer.Option("--ray-port", help="This port or none.")] = None,
    hosts: Annotated[int | None, typer.Option("--hosts", help="Host processes on this machine.")] = None,
) -> None:
    """Start everything that is not configured to be elsewhere, and keep it alive."""
    given: Options = {
        "--postgres-dsn": (("postgres", "dsn"), postgres_dsn),
        "--temporal-address": (("temporal", "address"), temporal_address),
        "--ray-address": (("ray", "address"), ray_address),
        "--gateway-port": (("gateway", "port"), gateway_port),
        "--temporal-port": (("temporal", "port"), temporal_port),
        "--temporal-ui-port": (("temporal", "ui_port"), temporal_ui_port),
        "--ray-port": (("ray", "port"), ray_port),
        "--hosts": (("hosts", "count"), hosts),
    }
    settings = settings_of(ctx, given).settings
    paths = StackPaths.of(settings.data_dir)
    console = wide_console()
    if (running := state.read(paths)) is not None:
        console.print(f"The stack in {paths.data_dir} is already up (supervisor {running.pid}).")
        console.print(table(_healthy_again(paths, running) if detach else running))
        return
    paths.create()
    if detach:
        _up_detached(settings, paths, console)
    else:
        asyncio.run(_up(settings, paths, console))


def _healthy_again(paths: StackPaths, current: StackState) -> StackState:
    """Waits for a stack that somebody else keeps: who asked for `up` wants to use it now."""
    deadline = time.monotonic() + Service.patience.total_seconds()
    while not current.healthy:
        if time.monotonic() > deadline:
            ill = ", ".join(f"{s.name} {s.status}" for s in current.services if s.status != "healthy")
            patience = f"{Service.patience.total_seconds():.0f} s"
            raise StackError(f"the stack is not healthy after {patience}: {ill or current.phase}. See `resprout logs`.")
        time.sleep(POLL_SECONDS)
        newer = state.read(paths)
        if newer is None:
            raise StackError(f"the stack in {paths.data_dir} was stopped meanwhile.")
        current = newer
    return current


async def _up(settings: Settings, paths: StackPaths, console: Console) -> None:
    lock = state.lock_as_supervisor(paths)
    if lock is None:
        raise StackError(
            f"another `resprout up` is starting in {paths.data_dir}. Wait for it, or use another --data-dir."
        )
    try:
        from ..stack import plan as planning
        from ..telemetry import configure_logs

        with paths.log_of("supervisor").open("a", buffering=1) as log:
            configure_logs(settings.telemetry, "supervisor", stream=log)
            await _supervise(await planning.make(settings, paths), paths, console)
    finally:
        paths.remove_sockets()
        os.close(lock)


async def _supervise(plan: "Plan", paths: StackPaths, console: Console) -> None:
    from ..stack.supervisor import Supervisor

    with _Progress(console) as show:

        def changed(current: StackState) -> None:
            state.write(paths, current)
            show(current)

        supervisor = Supervisor(plan, changed)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, supervisor.stop)
        await supervisor.run()


def _up_detached(settings: Settings, paths: StackPaths, console: Console) -> None:
    """Starts the supervisor as a process of its own and follows it through the state file."""
    before = state.last(paths)
    log = paths.log_of("supervisor")
    with log.open("ab") as output:
        begin = output.tell()
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "resprout.runtime.cli", "up"],
            env={**os.environ, **environment(settings)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    with _Progress(console) as show:
        while True:
            current = state.last(paths)
            if current is not None and current.pid == supervisor.pid and current != before:
                show(current)
                if current.phase == "running":
                    return
            if supervisor.poll() == 0:
                raise StackError("the stack was stopped while it was starting.")
            if supervisor.poll() is not None:
                words = log.read_bytes()[begin:].decode(errors="replace").strip().splitlines()
                reason = next(
                    (w for w in reversed(words) if w.startswith("error: ")),
                    words[-1] if words else "no words",
                )
                raise StackError(reason.removeprefix("error: "))
            time.sleep(POLL_SECONDS)


class _Progress:
    """Shows a starting stack: live on a terminal, a line per news elsewhere; then the summary, once."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = Live(console=console, refresh_per_second=10, transient=True) if console.is_terminal else None
        self.told: set[tuple[str, str]] = set()
        self.done = False

    def __enter__(self) -> Callable[[StackState], None]:
        if self.live:
            self.live.start()
        return self.show_if_wanted

    def __exit__(self, *_: object) -> None:
        if self.live:
            with suppress(OSError):
                self.live.stop()

    def show_if_wanted(self, current: StackState) -> None:
        """Whoever looks may leave, by closing the pipe or the terminal: the stack stays."""
        try:
            self.show(current)
        except (OSError, SystemExit):  # the latter is how rich takes a closed pipe
            self.console.quiet = True

    def show(self, current: StackState) -> None:
        if current.phase == "running" and not self.done:
            if self.live:
                self.live.stop()
            else:
                self._tell(current)  # what became healthy since the state was last seen
            self.done = True
            self.console.print(table(current))
            self.console.print(summary(current), soft_wrap=True)
        elif self.live and self.live.is_started:
            self.live.update(progress(current))
        else:
            self._tell(current)

    def _tell(self, current: StackState) -> None:
        for service in current.services:
            news = (service.name, service.status)
            if service.status in ("healthy", "restarting") and news not in self.told and not self.done:
                self.told.add(news)
                self.console.print(f"{service.name}: {service.status} {service.detail or ''}".rstrip())


def down(ctx: typer.Context) -> None:
    """Stop the stack, and whatever a crash left of it."""
    settings = settings_of(ctx).settings
    paths = StackPaths.of(settings.data_dir)
    console = wide_console()
    if not state.is_locked(paths):
        left = _end_leftovers(settings, paths)
        paths.remove_sockets()
        console.print(
            f"Ended {left} processes that a crash had left." if left else f"No stack is running in {paths.data_dir}."
        )
        return
    supervisor = state.supervisor(paths)
    if supervisor is None:
        raise StackError(f"a stack is just starting in {paths.data_dir}. Try again in a moment.")
    began = time.monotonic()
    supervisor.terminate()
    supervisor.send_signal(signal.SIGCONT)
    if process.outlasting([supervisor], DOWN_PATIENCE):
        supervisor.kill()
        _end_leftovers(settings, paths)
    console.print(f"Stopped the stack in {paths.data_dir} in {time.monotonic() - began:.1f} s.")


def _end_leftovers(settings: Settings, paths: StackPaths) -> int:
    """How many processes they were. Nobody is left who could write down what became of the runs in sandboxes."""
    from ..sandboxes import end_all
    from ..stack.services.postgres import PostgresService

    left = process.sweep([*process.marked(paths.mark), *process.postmaster(paths.postgres)])
    if settings.postgres.dsn is None and paths.postgres.exists():
        own = settings.postgres.model_copy(update={"dsn": SecretStr(PostgresService(paths).dsn)})
        asyncio.run(end_all(settings.model_copy(update={"postgres": own}), is_recorded=False))
    return left


def status(
    ctx: typer.Context, json_: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False
) -> None:
    """Show each service of the stack. Exit code 0 if all are healthy, 1 if not, 3 if there is no stack."""
    paths = StackPaths.of(settings_of(ctx).settings.data_dir)
    current = state.read(paths)
    if current is None:
        if json_:
            typer.echo(
                json.dumps({"running": False, "healthy": False, "data_dir": str(paths.data_dir), "services": []})
            )
        else:
            typer.echo(as_given(f"No stack is running in {paths.data_dir}. Start one with `resprout up`."))
        raise typer.Exit(3)
    if json_:
        typer.echo(json.dumps(as_json(current, datetime.now(UTC)), indent=2))
    else:
        console = wide_console()
        console.print(table(current))
        console.print(summary(current), soft_wrap=True)
    raise typer.Exit(0 if current.healthy else 1)
