"""One running stack and one Postgres, shared by the tests that do not stop them; and the rule on skips."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from resprout.memory.database import Database
from resprout.memory.migrate import migrate
from resprout.runtime.stack import process as processes
from resprout.runtime.stack.paths import StackPaths
from resprout.runtime.stack.service import Unwell
from resprout.runtime.stack.services.postgres import PostgresService
from support.collector import Collector
from support.databases import blank_database, name_of
from support.stack import LONG_LEASE, Stack, open_directory, stack_of


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skip is a failure: what is not tested there is not tested anywhere."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="session")
def shared_stack(collector: Collector) -> Iterator[Stack]:
    env = {
        "RESPROUT_TELEMETRY_OTLP_ENDPOINT": collector.endpoint,
        "RESPROUT_AGENTS_MODULES": "support.clerks",
        "RESPROUT_AGENTS_PATH": str(Path(__file__).parent),
        **LONG_LEASE,
    }
    with stack_of(env) as stack:
        stack.up()
        yield stack


@pytest.fixture
def stack(shared_stack: Stack) -> Stack:
    """The shared stack, healthy. A test may kill what it likes, but must not stop it."""
    shared_stack.wait_healthy()
    return shared_stack


@pytest.fixture
def own_stack() -> Iterator[Stack]:
    """A stack that is not up yet and may be treated as badly as one likes."""
    with stack_of() as stack:
        yield stack


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[str]:
    """DSN of a real Postgres for this test run, with no database of ours in it."""
    with open_directory() as directory:
        paths = StackPaths.of(directory / "data")
        paths.create()
        service = PostgresService(paths)
        await service.prepare()
        command = service.command()
        command.argv.extend(["-c", "fsync=off"])  # no power fails here, and each test makes a database
        process = await processes.spawn(command, mark=paths.mark, service="postgres", log=paths.log_of("postgres"))
        try:
            while True:
                try:
                    await service.probe()
                    break
                except Unwell:
                    assert process.returncode is None, paths.log_of("postgres").read_text()
            yield service.dsn
        finally:
            await processes.stop(process, command)
            shutil.rmtree(paths.sockets)


@pytest.fixture
async def blank_dsn(postgres: str) -> AsyncIterator[str]:
    """DSN of a fresh, empty database."""
    async with blank_database(postgres) as dsn:
        yield dsn


@pytest.fixture(scope="session")
async def migrated(postgres: str) -> AsyncIterator[str]:
    """Name of a database with all migrations, to be copied: to migrate anew costs a test more than most tests do."""
    async with blank_database(postgres) as dsn:
        await migrate(dsn)
        yield name_of(dsn)


@pytest.fixture
async def dsn(postgres: str, migrated: str) -> AsyncIterator[str]:
    """DSN of a fresh database with our schema."""
    async with blank_database(postgres, template=migrated) as dsn:
        yield dsn


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    async with await Database.open(dsn) as database:
        yield database
