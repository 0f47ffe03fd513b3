"""`resprout join | worker | gateway | model-server`: one part each, in the foreground, drained by SIGTERM."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import typer

from ...actors.errors import ConfigError, ResproutError
from ..model_server.serving import missing
from ..stack.find import attach
from .flags import Options, settings_of

RayAddress = Annotated[str | None, typer.Option("--ray-address", help="host:port of a Ray head, or auto.")]
PostgresDsn = Annotated[str | None, typer.Option("--postgres-dsn", help="postgresql://user:password@host/db")]


def register(app: typer.Typer) -> None:
    app.command("join")(join)
    app.command("worker")(worker)
    app.command("gateway")(gateway)
    app.command("model-server")(model_server)


def join(
    ctx: typer.Context,
    ray_address: RayAddress = None,
    postgres_dsn: PostgresDsn = None,
    hosts: Annotated[int | None, typer.Option("--hosts", help="Host processes on this node.")] = None,
) -> None:
    """Put hosts, in which agents live, on this node of a Ray cluster."""
    given: Options = {
        "--ray-address": (("ray", "address"), ray_address),
        "--postgres-dsn": (("postgres", "dsn"), postgres_dsn),
        "--hosts": (("hosts", "count"), hosts),
    }
    settings = attach(settings_of(ctx, given).settings, "postgres.dsn", "ray.address")
    from .. import hosts as hosts_process
    from ..telemetry import configure_logs, configure_traces

    configure_logs(settings.telemetry, "hosts")
    _run(hosts_process.run(settings), configure_traces(settings.telemetry, "hosts"))


def worker(
    ctx: typer.Context,
    temporal_address: Annotated[str | None, typer.Option("--temporal-address", help="host:port")] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", help="Temporal namespace.")] = None,
    task_queue: Annotated[str | None, typer.Option("--task-queue", help="Temporal task queue.")] = None,
    metrics_port: Annotated[int, typer.Option(help="Serve metrics here; 0 means any free port.")] = 0,
) -> None:
    """Run workflows and activities: a Temporal worker."""
    given: Options = {
        "--temporal-address": (("temporal", "address"), temporal_address),
        "--namespace": (("temporal", "namespace"), namespace),
        "--task-queue": (("temporal", "task_queue"), task_queue),
    }
    settings = attach(settings_of(ctx, given).settings, "temporal.address", "postgres.dsn")
    from .. import worker as worker_process
    from ..telemetry import configure_logs, configure_traces

    configure_logs(settings.telemetry, "worker")
    _run(worker_process.run(settings, metrics_port), configure_traces(settings.telemetry, "worker"))


def gateway(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen on. Default: 8080.")] = None,
) -> None:
    """Serve HTTP: health, version, metrics."""
    given: Options = {"--host": (("gateway", "host"), host), "--port": (("gateway", "port"), port)}
    settings = attach(settings_of(ctx, given).settings, "postgres.dsn")
    from .. import gateway_process
    from ..telemetry import configure_logs, configure_traces

    configure_logs(settings.telemetry, "gateway")
    _run(gateway_process.run(settings), configure_traces(settings.telemetry, "gateway"))


def model_server(
    ctx: typer.Context,
    port: Annotated[int | None, typer.Option("--port", help="Port of 127.0.0.1 to listen on. Default: 8460.")] = None,
) -> None:
    """Serve the bundled model on this machine, for settings with `models.local.url`."""
    settings = settings_of(ctx, {"--port": (("models", "local", "port"), port)}).settings
    from ..local_model import REMEDY, serving_of
    from ..model_server import process
    from ..telemetry import configure_logs, configure_traces

    own = settings.models.local.model_copy(update={"url": None})  # of whoever asks; it may well be this one
    if (serving := serving_of(own)) is None:
        raise ConfigError(f"the local model cannot be served: {missing(own.weights)}. {REMEDY}")
    configure_logs(settings.telemetry, "model-server")
    _run(process.run(serving), configure_traces(settings.telemetry, "model-server"))


def _run(process: Coroutine[Any, Any, None], flush_traces: Callable[[], None]) -> None:
    try:
        asyncio.run(process)
    except* ResproutError as failures:  # a task group wraps even the one sentence that the user needs
        raise _first(failures) from None
    finally:
        flush_traces()


def _first(failures: BaseExceptionGroup[ResproutError]) -> ResproutError:
    failure = failures.exceptions[0]
    return _first(failure) if isinstance(failure, BaseExceptionGroup) else failure
