"""Cleaning up that nothing interrupts: a cancellation that arrives meanwhile takes effect when it is done.

What undoes or ends the work of others is awaited here and nowhere else. A plain `await` in an `except` or `finally` is
itself cancelled by a second cancellation (the user's, or the timeout of a block around), and leaves the rest undone.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from temporalio import workflow

T = TypeVar("T")


async def shielded(work: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end, in a task of its own. Raises CancelledError afterwards when that arrived meanwhile."""
    task = asyncio.create_task(work)
    try:
        await until_ended([task])
    except asyncio.CancelledError:
        if not task.cancelled() and (error := task.exception()) is not None:
            workflow.logger.error("what cleans up failed, and the run was cancelled meanwhile: %s", error)
        raise
    return task.result()


async def end(running: Sequence["asyncio.Task[Any]"]) -> None:
    """Cancels those that run, and waits until they have cleaned up."""
    for task in running:
        task.cancel()
    await until_ended(running)


async def until_ended(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    """Raises CancelledError only when all have ended."""
    arrived: asyncio.CancelledError | None = None
    while left := [task for task in tasks if not task.done()]:
        try:
            await workflow.wait(left)
        except asyncio.CancelledError as error:
            arrived = error
    if arrived is not None:
        raise arrived
