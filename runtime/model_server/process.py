"""The process of a model server: opens its door, says that it is ready, and ends when it is told to."""

import asyncio
import logging
import signal

from ..notify import STATE_FIELD, notify
from .door import LOOPBACK, Door
from .engine import Engine
from .serving import Serving

PULSE_SECONDS = 2.0

log = logging.getLogger("resprout.model_server")


async def run(serving: Serving) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    door = Door(Engine(serving), on_failure=lambda reason: log.error("a call was refused: %s", reason))
    server = await door.listen(serving.port)
    endpoint = f"http://{LOOPBACK}:{serving.port}"
    log.info("%s is served at %s", serving.name, endpoint)
    notify(READY=1, **{STATE_FIELD: {"endpoint": endpoint}})
    while not stop.is_set():
        notify(WATCHDOG=1)
        try:
            await asyncio.wait_for(stop.wait(), PULSE_SECONDS)
        except TimeoutError:
            continue
    notify(STOPPING=1)
    server.close()
