"""The embedded Postgres: how it is started, and as whom."""

from pathlib import Path

import pytest
from resprout.memory.database import NoConnectionLeft
from resprout.runtime.stack.paths import StackPaths
from resprout.runtime.stack.services import postgres as module
from resprout.runtime.stack.services.postgres import PostgresService


def test_it_has_room_for_the_pools_of_the_hosts_and_a_port_that_no_environment_changes(tmp_path: Path) -> None:
    service = PostgresService(StackPaths(tmp_path), pooled=640)

    assert {"max_connections=740", "port=5432"} <= set(service.command().argv)
    assert service.dsn.endswith("&port=5432")


async def test_a_server_with_no_connection_left_is_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> str:
        raise NoConnectionLeft("full")

    monkeypatch.setattr(module, "check", full)

    await PostgresService(StackPaths(tmp_path)).probe()
