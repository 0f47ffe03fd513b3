from collections.abc import AsyncIterator

import pytest
from resprout.actors.brain import Brain
from resprout.memory.database import Database
from resprout.memory.store import PostgresStore
from support.house import House, hosts
from support.minds import ScriptedMind


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    async with await Database.open(dsn) as database:
        yield database


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    async with hosts(PostgresStore(database)) as (house, _):
        yield house


@pytest.fixture
def mind(monkeypatch: pytest.MonkeyPatch) -> ScriptedMind:
    scripted = ScriptedMind()
    monkeypatch.setattr(Brain, "mind", scripted)
    return scripted
