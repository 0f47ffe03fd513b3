"""A ledger that is told how a call ended while whoever asked goes on.

A disk takes as long to keep the end of a call as to keep the turn that came of it: both are on their way at the same
time. Nothing is reserved before all ends that were said here are in the ledger, so that what a call did not use is
there for the next one. Where an end is lost, in a crash or because the ledger is, the reservation stays as it is, which
is more than was spent.
"""

import asyncio
from typing import Protocol

from ...actors.errors import ResproutError
from ...actors.logger import get_logger
from ...actors.models import CallBegun, CallEnded, Refusal, Reservation

log = get_logger("resprout.models")


class Keeper(Protocol):
    async def begin(self, call: CallBegun) -> Reservation | Refusal: ...

    async def end(self, held: Reservation, ended: CallEnded) -> bool:
        """False: its end was said before, and nothing changed."""
        ...


class Settling:
    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._ends: set[asyncio.Task[None]] = set()

    async def begin(self, call: CallBegun) -> Reservation | Refusal:
        await self.settled()
        return await self._keeper.begin(call)

    def end(self, held: Reservation, ended: CallEnded) -> None:
        task = asyncio.create_task(self._end(held, ended))
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)

    async def settled(self) -> None:
        """Until what was said before is in the ledger, or cannot be."""
        if self._ends:
            await asyncio.wait(set(self._ends))

    async def _end(self, held: Reservation, ended: CallEnded) -> None:
        try:
            await self._keeper.end(held, ended)
        except ResproutError as error:
            log.error("a call of a model counts as it was reserved: its end was not written down", error=str(error))
