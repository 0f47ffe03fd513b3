"""Reading the registry from the worker: one connection, opened when the first task is routed."""

from ..activities.route_task import Known
from ..memory.registry import Registry
from .lazy_database import LazyDatabase
from .settings import PostgresSettings

MOST = 1_000  # agents that say themselves what they can do


class RegistryReader:
    """The `AbleAgents` of the activity `task.route`."""

    def __init__(self, settings: PostgresSettings) -> None:
        self.database = LazyDatabase(settings, "task routing", pool_size=2)

    async def who_can(self, capability: str) -> Known:
        registry = Registry(await self.database.open())
        kinds = await registry.kinds(capability=capability)
        agents = await registry.find(capability=capability, limit=MOST)
        return Known(
            kinds=[row.kind for row in kinds if not row.stale],
            well=[one.agent for one in agents if one.health == "healthy"],
            unwell=[one.agent for one in agents if one.health != "healthy"],
        )
