"""Containers that are started before anybody asks for them, each with a runner that waits in it: a claim is a rename.

Bounded: so many of a shape, few shapes, none too old. Filled in the background by one task, never while somebody
waits for it; who finds it empty makes a container of his own. An engine that fails is asked again with the next claim.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from ....actors.logger import get_logger
from ..backend import NoSandbox
from .attachment import Attachment
from .containers import Containers
from .engine import Engine
from .names import KEPT, OLDEST_WARM, labels, warm_name
from .shape import Shape

log = get_logger("resprout.sandbox")

MOST_SHAPES = 4


@dataclass(frozen=True)
class Warm:
    name: str
    runner: Attachment
    born: float = field(default_factory=time.monotonic)

    def lasts(self, longest: timedelta) -> bool:
        """For a job of so long, until what it leaves has been kept: its deadline was set when it was made."""
        return time.monotonic() - self.born + longest.total_seconds() <= OLDEST_WARM.total_seconds()


class Pool:
    def __init__(self, engine: Engine, instance: str, size: int) -> None:
        self._engine = engine
        self._containers = Containers(engine)
        self._instance = instance
        self._size = size
        self._idle: dict[Shape, deque[Warm]] = {}
        self._filling: asyncio.Task[None] | None = None
        self._is_closed = False

    def take(self, shape: Shape, longest: timedelta) -> Warm | None:
        """For a job of at most so long. From now on this shape is wanted, up to the size of the pool."""
        if shape not in self._idle and not self._admit(shape):
            return None
        idle = self._idle[shape]
        taken = next((one for one in idle if one.lasts(longest)), None)
        if taken is not None:
            idle.remove(taken)
        return taken

    def give_back(self, shape: Shape, warm: Warm) -> None:
        self._idle[shape].appendleft(warm)

    def refill(self) -> None:
        if not self._is_closed and (self._filling is None or self._filling.done()):
            self._filling = asyncio.create_task(self._fill())

    async def filled(self, shape: Shape) -> None:
        """When there are as many of this shape as there may be."""
        if shape in self._idle or self._admit(shape):
            self.refill()
            await self.settled()

    async def settled(self) -> None:
        if self._filling is not None:
            await asyncio.shield(self._filling)

    async def close(self) -> None:
        self._is_closed = True
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)  # it has said what went wrong
        warm = [one for idle in self._idle.values() for one in idle]
        self._idle.clear()
        await asyncio.gather(*(self._drop(one) for one in warm))

    def _admit(self, shape: Shape) -> bool:
        if self._size and len(self._idle) < MOST_SHAPES and not self._is_closed:
            self._idle[shape] = deque()
        return shape in self._idle

    async def _fill(self) -> None:
        try:
            await self._drop_old()
            while (shape := next(self._short(), None)) is not None:
                self._idle[shape].append(await self._make(shape))
        except NoSandbox as error:
            log.warning("the pool of warm containers is not filled", reason=str(error))
        except Exception:  # nobody waits for it: it would be known when the pool is closed
            log.exception("filling the pool of warm containers failed")

    def _short(self) -> Iterator[Shape]:
        return (shape for shape, idle in self._idle.items() if len(idle) < self._size)

    async def _drop_old(self) -> None:
        for idle in self._idle.values():
            while idle and not idle[0].lasts(timedelta()):
                await self._drop(idle.popleft())

    async def _drop(self, warm: Warm) -> None:
        warm.runner.close()
        await self._removed(warm.name)

    async def _removed(self, name: str) -> None:
        try:
            await self._containers.remove(name)
        except NoSandbox as error:
            log.warning("a warm container is left to be reaped", container=name, reason=str(error))

    async def _make(self, shape: Shape) -> Warm:
        """Cancelled in the middle, it removes what it was about to make."""
        making = asyncio.create_task(self._made(warm_name(), shape))
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            await asyncio.wait({making})
            if making.exception() is None:
                await self._drop(making.result())
            raise

    async def _made(self, name: str, shape: Shape) -> Warm:
        await self._containers.create(name, shape, labels(self._instance, OLDEST_WARM + KEPT))
        try:
            await self._containers.start(name)
            return Warm(name, await Attachment.open(self._engine, name))
        except BaseException:
            await self._removed(name)
            raise
