"""Reads what a program writes: the beginning is kept, the rest counted. A flood ends the run."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from .backend import FLOOD, Captured

CHUNK = 64 << 10


@dataclass
class Capture:
    most: int
    watch: Callable[[bytes], None]
    on_flood: Callable[[], None]
    kept: bytearray = field(default_factory=bytearray)
    size: int = 0

    async def read(self, stream: asyncio.StreamReader) -> None:
        while chunk := await stream.read(CHUNK):
            self.take(chunk)

    def take(self, chunk: bytes) -> None:
        was_flood = self._is_flood
        self.size += len(chunk)
        seen = chunk[: max(0, self.most - len(self.kept))]
        if seen:
            self.kept += seen
            self.watch(seen)
        if self._is_flood and not was_flood:
            self.on_flood()

    @property
    def _is_flood(self) -> bool:
        return self.size > self.most * FLOOD

    def end(self) -> Captured:
        return Captured(bytes(self.kept), self.size)
