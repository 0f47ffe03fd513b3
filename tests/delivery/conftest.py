from collections.abc import AsyncIterator

import pytest
from resprout.memory.database import Database
from resprout.memory.store import PostgresStore
from support.house import House, hosts


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    async with hosts(PostgresStore(database)) as (house, _):
        yield house
