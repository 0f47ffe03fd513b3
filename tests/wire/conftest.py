from collections.abc import AsyncIterator

import pytest
from resprout.memory.database import Database
from resprout.memory.store import PostgresStore
from support.house import hosts
from support.wired import Wired


@pytest.fixture
async def wired(dsn: str) -> AsyncIterator[Wired]:
    async with await Database.open(dsn) as database, hosts(PostgresStore(database)) as (_, (host,)):
        wired = await Wired.of(host.delivery)
        try:
            yield wired
        finally:
            wired.close()
