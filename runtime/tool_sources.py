"""Keeps the tools of a process at what the registry says of sources from outside.

The invariant: a tool that was imported, imported anew or removed anywhere is so here at the next call of it that comes
later than `SEEN_WITHIN`; one that this process has not yet is looked for at once. So is what was deprecated.
"""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime

from ..activities.tools.outside.sources import Outside
from ..activities.tools.toolbox import Toolbox, UnknownTool
from ..actors.errors import ResproutError
from ..actors.logger import get_logger
from ..memory.tools import ToolRegistry, ToolSource

log = get_logger("resprout.tools")

SEEN_WITHIN = 2.0  # seconds


@dataclass
class ToolSources:
    toolbox: Toolbox
    registry: ToolRegistry
    outside: Outside
    _known: dict[str, datetime] = field(default_factory=dict)  # source → when it was imported
    _looked_at: float = float("-inf")
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def look(self, reference: str) -> None:
        """Before the tool is found."""
        if time.monotonic() - self._looked_at < SEEN_WITHIN and self._has(reference):
            return
        async with self._looking:
            if time.monotonic() - self._looked_at < SEEN_WITHIN and self._has(reference):
                return
            await self.refresh()

    async def refresh(self) -> None:
        began = time.monotonic()
        current = {one.source: one for one in await self.registry.sources()}
        for gone in self._known.keys() - current.keys():
            self._forget(gone)
        for source in current.values():
            if self._known.get(source.source) != source.added_at:
                await self._take(source)
        self.toolbox.deprecated = await self.registry.deprecated()
        self._looked_at = began

    async def close(self) -> None:
        await self.outside.close()

    def _has(self, reference: str) -> bool:
        try:
            self.toolbox.find(reference)
        except UnknownTool:
            return False
        return True

    def _forget(self, source: str) -> None:
        self.toolbox.remove(source)
        self.outside.leave(source)
        del self._known[source]

    async def _take(self, source: ToolSource) -> None:
        """A source that cannot be read keeps nobody from using the others."""
        self.toolbox.remove(source.source)
        self._known[source.source] = source.added_at
        try:
            for one in await self.outside.tools(source.source, source.kind, source.origin):
                self.toolbox.add(one)
        except ResproutError as error:
            log.error("a source of tools is left out", source=source.source, error=str(error))
