"""Removes containers whose endings are known, while their results are already on their way.

To remove one takes as long as to run in it. A few wait at most; who forgets one more waits for his. What is not removed
because this process or the engine dies, the reaper finds.
"""

import asyncio

from ....actors.logger import get_logger
from ..backend import NoSandbox
from .containers import Containers

_log = get_logger("resprout.sandbox")

AT_ONCE = 2
MOST_WAITING = 16


class Removals:
    def __init__(self, containers: Containers) -> None:
        self._containers = containers
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def begin(self, name: str) -> None:
        if name in self._under_way:
            return
        task = asyncio.create_task(self._remove(name))
        self._under_way[name] = task
        task.add_done_callback(lambda _: self._under_way.pop(name))
        if len(self._under_way) > MOST_WAITING:
            await asyncio.shield(task)

    async def ended(self, name: str) -> None:
        """Before a container is asked for by this name: it could be the one that goes."""
        if (task := self._under_way.get(name)) is not None:
            await asyncio.shield(task)

    async def all_ended(self) -> None:
        await asyncio.gather(*map(asyncio.shield, self._under_way.values()))

    async def _remove(self, name: str) -> None:
        async with self._turns:
            try:
                await self._containers.remove(name)
            except NoSandbox as error:
                _log.warning("a container is left to be reaped", container=name, reason=str(error))
