"""Reading the registry from the worker: one connection, opened when the first task is routed."""

import asyncio

from ..activities.route_task import Known
from ..actors.errors import NotRunning
from ..memory.database import Database
from ..memory.registry import Registry
from .settings import PostgresSettings

MOST = 1_000  # agents that say themselves what they can do


class RegistryReader:
    """The `AbleAgents` of the activity `task.route`."""

    def __init__(self, settings: PostgresSettings) -> None:
        self.settings = settings
        self.database: Database | None = None
        self.opening = asyncio.Lock()

    async def who_can(self, capability: str) -> Known:
        registry = Registry(await self._open())
        kinds = await registry.kinds(capability=capability)
        agents = await registry.find(capability=capability, limit=MOST)
        return Known(
            kinds=[row.kind for row in kinds if not row.stale],
            well=[one.agent for one in agents if one.health == "healthy"],
            unwell=[one.agent for one in agents if one.health != "healthy"],
        )

    async def _open(self) -> Database:
        async with self.opening:
            if self.database is None:
                if self.settings.dsn is None:
                    raise NotRunning("tasks cannot be routed: the worker has no Postgres. Set `postgres.dsn`.")
                dsn = self.settings.dsn.get_secret_value()
                self.database = await Database.open(dsn, pool_size=2, application_name="resprout task routing")
            return self.database
