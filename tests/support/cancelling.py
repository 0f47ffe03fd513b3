"""How soon what is cancelled has ended."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

TRIES = 5
PATIENCE_SECONDS = 60


async def ends_within(seconds: float, begin: Callable[[str], Awaitable["asyncio.Task[Any]"]]) -> bool:
    """One of some runs did, which `begin` gives by their keys: a starved machine delays many, but not each.

    All of them have ended.
    """
    for number in range(TRIES):
        run = await begin(f"cancelled-{number}")
        started = time.monotonic()
        run.cancel()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.wait({run})
        assert run.cancelled()
        if time.monotonic() - started < seconds:
            return True
    return False
