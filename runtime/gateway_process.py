"""`resprout gateway`: the HTTP front of this stack, wired to the servers it reports on."""

import asyncio
from datetime import timedelta

from .. import __version__
from ..actors.logger import get_logger
from ..memory.database import check
from . import temporal
from .gateway import create_app, serve
from .notify import STATE_FIELD, notify
from .settings import Settings

log = get_logger("resprout.gateway")

USUAL_PORT = 8080
PULSE_SECONDS = 2.0


async def run(settings: Settings) -> None:
    assert settings.postgres.dsn is not None
    dsn = settings.postgres.dsn.get_secret_value()

    async def postgres() -> str:
        return await check(dsn, timedelta(seconds=2))

    async def temporal_() -> str:
        await temporal.ping(settings.temporal)
        return settings.temporal.address or ""

    checks = {"postgres": postgres} | ({"temporal": temporal_} if settings.temporal.address else {})
    app = create_app(checks, __version__)
    async with asyncio.TaskGroup() as tasks:
        pulse: asyncio.Task[None] | None = None

        def ready(endpoint: str) -> None:
            nonlocal pulse
            log.info("gateway ready", endpoint=endpoint)
            notify(READY=1, **{STATE_FIELD: {"endpoint": endpoint}})
            pulse = tasks.create_task(_pulse())

        await serve(app, settings.gateway.host, settings.gateway.port or USUAL_PORT, on_ready=ready)
        notify(STOPPING=1)
        if pulse is not None:
            pulse.cancel()


async def _pulse() -> None:
    while True:
        notify(WATCHDOG=1)
        await asyncio.sleep(PULSE_SECONDS)
