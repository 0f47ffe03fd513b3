from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from resprout.memory.database import Database
from resprout.memory.store import PostgresStore
from resprout.runtime.roles import Roles
from support.house import hosts
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


@pytest.fixture
async def crew(stack: Stack, database: Database, tmp_path: Path) -> AsyncIterator[Crews]:
    (tmp_path / "echo.role.yaml").write_text(ECHO)
    async with hosts(PostgresStore(database)) as (house, _), crews(stack, house, Roles(tmp_path)) as made:
        yield made
