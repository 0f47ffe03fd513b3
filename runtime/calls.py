"""Reaching agents from outside of any host: Postgres knows where hosts are, and their sockets carry the messages.

The invariant: where Postgres is, is looked up anew each time. A stack that was started anew may have it elsewhere, and
whoever was connected to the one before finds it all the same.
"""

import asyncio

from ..actors.calls import Caller
from ..actors.errors import ResproutError
from ..actors.logger import get_logger
from ..actors.shards import View
from ..memory.directory import directory
from .connections import Connections, now
from .settings import Settings
from .stack.find import attach

log = get_logger("resprout.calls")


class PostgresDirectory:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    async def find(self) -> tuple[str, View] | None:
        try:
            return await self.read()
        except ResproutError as error:
            log.warning("where hosts are is not known now", error=str(error))
            return None

    async def read(self) -> tuple[str, View]:
        """Raises why it cannot."""
        settings = await asyncio.to_thread(attach, self.settings, "postgres.dsn")
        assert settings.postgres.dsn is not None
        return await directory(settings.postgres.dsn.get_secret_value())


def caller(settings: Settings) -> Caller:
    return Caller(Connections(PostgresDirectory(settings), now), now)


async def connected(settings: Settings) -> Caller:
    """One that knows where hosts are. Raises why it cannot be known."""
    reader = PostgresDirectory(settings)
    connections = Connections(reader, now)
    connections.secret, view = await reader.read()
    caller = Caller(connections, now)
    caller.routes.learn(view)
    return caller
