"""A connection pool that is opened when it is first needed: many processes never need theirs.

The invariant: whoever uses one takes no locks and makes no settings that outlive a transaction.
"""

import asyncio
from dataclasses import dataclass, field

from ..actors.errors import NotRunning
from ..memory.database import Database
from .settings import PostgresSettings


@dataclass
class LazyDatabase:
    settings: PostgresSettings
    what_for: str  # as in "sandbox runs"
    pool_size: int
    database: Database | None = None
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_missing(self) -> bool:
        return self.settings.dsn is None

    async def open(self) -> Database:
        async with self.opening:
            if self.database is None:
                if self.settings.dsn is None:
                    raise NotRunning(f"no Postgres is configured here for {self.what_for}: set `postgres.dsn`.")
                self.database = await Database.open(
                    self.settings.dsn.get_secret_value(),
                    pool_size=self.pool_size,
                    application_name=f"resprout {self.what_for}",
                    resets=False,
                )
            return self.database

    async def close(self) -> None:
        if self.database is not None:
            await self.database.close()
