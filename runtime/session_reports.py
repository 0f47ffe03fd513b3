"""Tells Postgres which sessions with servers of tools this worker has open, so that people can see them."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from ..activities.tools.outside.sources import Outside
from ..actors.errors import Unavailable
from ..actors.logger import get_logger
from ..memory.database import Database
from ..memory.tool_sessions import ToolSession, ToolSessions

log = get_logger("resprout.tools")

BETWEEN_REPORTS = 5.0  # seconds; well below the time for which a report is true


@asynccontextmanager
async def sessions_reported(outside: Outside, open: Callable[[], Awaitable[Database]]) -> AsyncIterator[None]:  # noqa: A002 - as in ToolSessions
    reports = SessionReports(outside, ToolSessions(open))
    reporting = asyncio.create_task(reports.run())
    try:
        yield
    finally:
        reporting.cancel()
        await asyncio.wait({reporting})
        await reports.leave()


@dataclass
class SessionReports:
    outside: Outside
    sessions: ToolSessions
    worker: str = field(default_factory=lambda: f"{os.getpid()}@{socket.gethostname()}")
    has_told: bool = False  # of one that Postgres may still show

    async def run(self) -> None:
        """At once when one is opened or closed, and again and again while one is open."""
        while True:
            self.outside.changed.clear()
            found = self._open()
            await self._tell(found)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.outside.changed.wait(), BETWEEN_REPORTS if self.has_told else None)

    async def leave(self) -> None:
        await self._tell([])

    async def _tell(self, found: list[ToolSession]) -> None:
        if not found and not self.has_told:
            return  # most workers never have any, and need no Postgres for that
        try:
            await self.sessions.report(self.worker, found)
            self.has_told = bool(found)
        except Unavailable as error:  # it is told again; nobody's call depends on it
            log.warning("open sessions cannot be told", error=str(error))
            self.has_told = True

    def _open(self) -> list[ToolSession]:
        return [
            ToolSession(one.id, source, one.place, one.opened_at, one.calls, one.called_at)
            for source, one in self.outside.open_sessions()
        ]
