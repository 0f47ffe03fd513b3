"""Work that nobody waits for.

The invariant: a task that is begun here is kept until it has ended, since the loop alone would let it be collected as
garbage; and how it failed stands in the host's log.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from .logger import get_logger

log = get_logger("resprout.host")


class Background:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.tasks: set[asyncio.Task[Any]] = set()

    def later(self, seconds: float, call: Callable[..., None], *args: Any) -> None:
        self.loop.call_later(seconds, call, *args)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("background work failed", error=f"{type(error).__name__}: {error}")
