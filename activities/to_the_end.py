"""What must be on record before a cancelled caller goes: between the two nobody would know of it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Said = TypeVar("Said")


async def to_the_end(recording: Coroutine[Any, Any, Said]) -> Said:
    task = asyncio.create_task(recording)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
