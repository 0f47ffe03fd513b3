"""Brings the schema up to date: plain SQL files, in order, run by Alembic.

A migrator holds a lock for as long as it is connected, so two at once do the work once, and a killed one leaves
no lock behind. Each file commits together with the mark that it ran. There is no way back: an older program must
run on a newer schema, so a migration may only add until every program that needs the old form is gone. The names
of the files sort as they follow each other: that is how an older program knows a newer schema.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import asyncpg
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import Script
from alembic.script.revision import RevisionMap
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from ..actors.errors import ConfigError, NotRunning, ResproutError
from .database import check, one_line, redacted

FOLDER = Path(__file__).parent / "migrations"
SCHEMA = "resprout"
VERSION_TABLE = "schema_version"
LOCK = 0x7265_7370  # any number that nobody else in this database uses
CIRCUMSTANCES = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
)


async def migrate(dsn: str) -> list[str]:
    """Runs what is missing. Returns the names of the migrations applied now."""
    await check(dsn)
    async with _connected(dsn) as connection:
        if not await connection.run_sync(_pending):
            return []  # a role that may only read and write the tables need not be refused
        # Without it, a migrator killed inside a long statement would keep the lock until that statement ends.
        await connection.execute(text("SET client_connection_check_interval = '1s'"))
        await connection.commit()  # what was set in a transaction that is rolled back is forgotten
        await connection.execute(text(f"SELECT pg_advisory_lock({LOCK})"))
        await connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        await connection.commit()
        return await connection.run_sync(_upgrade)


async def pending(dsn: str) -> list[str]:
    """The names of the migrations that are missing. Changes nothing."""
    await check(dsn)
    async with _connected(dsn) as connection:
        return await connection.run_sync(_pending)


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[AsyncConnection]:
    async def connect() -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(dsn, timeout=10)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        with _in_a_sentence(dsn):
            async with engine.connect() as connection:
                yield connection
    finally:
        await engine.dispose()


@contextmanager
def _in_a_sentence(dsn: str) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise _explained(error, redacted(dsn)) from error


def _explained(error: Exception, where: str) -> ResproutError:
    if isinstance(error, DBAPIError):  # SQLAlchemy's dress of a DBAPI error of its own, around what the driver said
        error = getattr(error.orig, "__cause__", None) or error
    said = one_line(error)
    if isinstance(error, CIRCUMSTANCES):
        return NotRunning(f"Postgres at {where} left off while its schema was worked on: {said}. Try again.")
    return ConfigError(
        f"the schema of the database at {where} cannot be brought up to date: {said}. It takes Postgres 14 or newer, "
        "no read-only replica, and a role that may create a schema."
    )


def _upgrade(connection: Connection) -> list[str]:
    applied: list[str] = []

    def steps(_heads: tuple[str, ...], context: MigrationContext) -> Iterable[RevisionStep]:
        scripts = _scripts(connection)
        revisions = RevisionMap(lambda: scripts)
        assert revisions.heads  # Alembic links the revisions when they are first looked at
        for script in _missing(context, scripts):
            applied.append(script.revision)
            yield RevisionStep(revisions, script, is_upgrade=True)

    _context(connection, fn=steps).run_migrations()
    return applied


def _pending(connection: Connection) -> list[str]:
    return [script.revision for script in _missing(_context(connection), _scripts(connection))]


def _context(connection: Connection, **more: Any) -> MigrationContext:
    return MigrationContext.configure(
        connection,
        opts={
            "version_table": VERSION_TABLE,
            "version_table_schema": SCHEMA,
            "transaction_per_migration": True,
            **more,
        },
    )


def _missing(context: MigrationContext, scripts: list[Script]) -> list[Script]:
    head = context.get_current_revision()
    assert context.connection is not None
    context.connection.commit()  # reading began a transaction; each migration must begin its own
    if head is None:
        return scripts
    names = [script.revision for script in scripts]
    if head > names[-1]:
        return []  # a newer program was here
    if head not in names:
        raise ConfigError(
            f"the database's schema is at {head}, which this version of Resprout does not know. "
            "Use the version that made it, or a newer one."
        )
    return scripts[names.index(head) + 1 :]


def _scripts(connection: Connection) -> list[Script]:
    """One Alembic revision per SQL file, each the successor of the one before."""
    scripts: list[Script] = []
    for path in sorted(FOLDER.glob("*.sql")):
        module = ModuleType(path.stem)
        module.down_revision = scripts[-1].revision if scripts else None  # type: ignore[attr-defined]
        module.upgrade = lambda path=path, **_: _run_file(connection, path)  # type: ignore[attr-defined]
        scripts.append(Script(module, path.stem, str(path)))
    return scripts


def _run_file(connection: Connection, path: Path) -> None:
    script = path.read_text()
    connection.execute(text("SELECT 1"))  # the driver begins its transaction with the first statement
    driver: Any = connection.connection.dbapi_connection
    # As one script: the driver's prepared statements take one statement each.
    driver.run_async(lambda raw: raw.execute(script))
