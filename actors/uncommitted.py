"""The turns of one agent that were taken and are not durable yet.

The invariant: they are committed in the order in which they were taken, on top of `version`. When one of them fails,
all are taken back, and `generation` is another one: what was built on them is forgotten.
"""

import asyncio

from .mailbox import Entry


class Uncommitted:
    __slots__ = ("cautious", "entries", "generation", "settled", "version")

    def __init__(self) -> None:
        self.version = 0  # the one that is durable
        self.entries: list[Entry] = []
        self.generation = 0
        self.cautious = False  # one turn at a time, to find the one that cannot be stored
        self.settled: asyncio.Event | None = None

    def durable(self, turns: int) -> None:
        self.version += turns
        del self.entries[:turns]

    def take_back(self) -> list[Entry]:
        self.generation += 1
        entries, self.entries = self.entries, []
        return entries

    async def flushed(self) -> None:
        """Until every turn taken so far is durable or taken back."""
        while self.entries:
            await self.something_settles()

    async def something_settles(self) -> None:
        if self.settled is None:
            self.settled = asyncio.Event()
        self.settled.clear()
        await self.settled.wait()

    def tell_settled(self) -> None:
        if self.settled is not None:
            self.settled.set()
