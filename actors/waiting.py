"""Waiting for an event, but not for ever."""

import asyncio
from contextlib import suppress


async def wait_until_set(event: asyncio.Event, seconds: float) -> None:
    """Until it is set or the time is over. Before Python 3.12, `asyncio.wait_for` may lose a cancellation."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
