"""The embedded Postgres: how it is started, and as whom."""

import asyncio
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest
from resprout.actors.errors import StackError
from resprout.memory.database import NoConnectionLeft
from resprout.runtime.stack import process as processes
from resprout.runtime.stack.paths import StackPaths
from resprout.runtime.stack.services import postgres as module
from resprout.runtime.stack.services.postgres import PostgresService
from support.stack import open_directory


def test_it_has_room_for_the_pools_of_the_hosts_and_a_port_that_no_environment_changes(tmp_path: Path) -> None:
    service = PostgresService(StackPaths(tmp_path), pooled=640)

    assert {"max_connections=740", "port=5432"} <= set(service.command().argv)
    assert service.dsn.endswith("&port=5432")


async def test_a_server_with_no_connection_left_is_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> str:
        raise NoConnectionLeft("full")

    monkeypatch.setattr(module, "check", full)

    await PostgresService(StackPaths(tmp_path)).probe()


@pytest.fixture
def paths() -> Iterator[StackPaths]:
    """A data directory that other users may enter."""
    with open_directory() as directory:
        paths = StackPaths(directory / "data")
        paths.create()
        try:
            yield paths
        finally:
            paths.remove_sockets()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it as somebody else")
def test_for_root_it_runs_as_whoever_owns_the_data(paths: StackPaths) -> None:
    paths.postgres.mkdir()
    os.chown(paths.postgres, 1, 1)

    assert PostgresService(paths).account.user == pwd.getpwuid(1).pw_name

    os.chown(paths.postgres, 54321, 54321)
    with pytest.raises(StackError, match="belong to the user 54321, who has no account here"):
        PostgresService(paths)


def initdb_is(monkeypatch: pytest.MonkeyPatch, service: PostgresService, line: str) -> None:
    program = service.paths.data_dir / "initdb"
    program.write_text(f"#!/bin/sh\n{line}\n")
    program.chmod(0o755)
    monkeypatch.setattr(service, "binaries", program.parent)


async def test_making_the_data_directory_is_work_of_the_stack_and_ends_when_it_is_cancelled(
    paths: StackPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = PostgresService(paths)
    initdb_is(monkeypatch, service, "exec sleep 1000")
    preparing = asyncio.create_task(service.prepare())
    while not processes.marked(paths.mark, "postgres"):
        assert not preparing.done(), preparing.exception()
        await asyncio.sleep(0.05)

    preparing.cancel()
    await asyncio.wait({preparing})

    assert processes.marked(paths.mark) == []


async def test_why_the_data_directory_could_not_be_made_is_told(
    paths: StackPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = PostgresService(paths)
    initdb_is(monkeypatch, service, "echo no room; exit 1")

    with pytest.raises(StackError, match="`initdb` failed with exit code 1: no room"):
        await service.prepare()
