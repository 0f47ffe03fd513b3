from collections.abc import AsyncIterator

import pytest
from resprout.actors.brain import Brain
from resprout.memory.database import Database
from resprout.memory.migrate import migrate
from resprout.memory.store import PostgresStore
from support.databases import blank_database
from support.house import hosts
from support.minds import AnsweringMind
from support.stack import Stack
from support.teams import Crews, crews

ECHO = """\
role: echo
description: says what it hears
variables:
  tone: {description: how it speaks, default: plain}
system: You speak in a {{tone}} way.
model: test/echo
tools: [text.count]
max_tokens: 77
temperature: 0.5
max_iterations: 3
"""


@pytest.fixture(scope="module")
async def all_crews(
    shared_stack: Stack, postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Crews]:
    roles = tmp_path_factory.mktemp("roles")
    async with blank_database(postgres) as dsn:
        await migrate(dsn)
        async with (
            await Database.open(dsn) as database,
            hosts(PostgresStore(database)) as (house, _),
            crews(shared_stack, house, roles) as made,
        ):
            yield made


@pytest.fixture
def crew(all_crews: Crews, monkeypatch: pytest.MonkeyPatch) -> Crews:
    """With a mind of the test's own, and one role besides those that ship: `echo`."""
    all_crews.mind = AnsweringMind()
    monkeypatch.setattr(Brain, "mind", all_crews.mind)
    (all_crews.roles / "echo.role.yaml").write_text(ECHO)
    return all_crews
