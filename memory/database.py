"""Connections to Postgres, and the sentences that a user reads when there is none.

A password never leaves this file: messages name a DSN only through `redacted`.
"""

from datetime import UTC, datetime, timedelta
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import asyncpg

from ..actors.errors import ConfigError, NotRunning, ResproutError

SECRET_PARAMETERS = {"password", "passfile", "sslpassword"}


class Database:
    """A pool of connections, opened once per process."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self.pool = pool

    @classmethod
    async def open(cls, dsn: str, *, pool_size: int = 10, application_name: str = "resprout") -> "Database":
        await check(dsn)
        pool = await asyncpg.create_pool(
            dsn, min_size=1, max_size=pool_size, server_settings={"application_name": application_name}
        )
        return cls(pool)

    async def close(self) -> None:
        await self.pool.close()

    async def __aenter__(self) -> "Database":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def check(dsn: str, timeout: timedelta = timedelta(seconds=5)) -> str:
    """Connects once and returns the server's version; otherwise says in one sentence what is wrong."""
    try:
        connection = await asyncpg.connect(dsn, timeout=timeout.total_seconds())
        try:
            return str(await connection.fetchval("show server_version", timeout=timeout.total_seconds()))
        finally:
            await connection.close(timeout=timeout.total_seconds())
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise _explained(error, redacted(dsn)) from None


async def clock_offset(dsn: str) -> timedelta:
    """How far this machine's clock is ahead of the server's."""
    await check(dsn)
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        theirs: datetime = await connection.fetchval("SELECT clock_timestamp()", timeout=5)
        return datetime.now(UTC) - theirs
    finally:
        await connection.close(timeout=5)


def _explained(error: Exception, where: str) -> ResproutError:
    match error:
        case asyncpg.InvalidPasswordError() | asyncpg.InvalidAuthorizationSpecificationError():
            return ConfigError(f"Postgres at {where} refuses the user or password. Mend `postgres.dsn`.")
        case asyncpg.InvalidCatalogNameError():
            return ConfigError(f"Postgres at {where} has no such database. Create it, or mend `postgres.dsn`.")
        case asyncpg.CannotConnectNowError() | asyncpg.TooManyConnectionsError():
            return NotRunning(f"Postgres at {where} takes no connections now: {error}. Try again in a moment.")
        case asyncpg.PostgresError():
            return NotRunning(f"Postgres at {where} refuses: {error}.")
        case asyncpg.InterfaceError() | ValueError():
            return ConfigError(
                f"`postgres.dsn` ({where}) is not a DSN. Write postgresql://user:password@host:5432/database."
            )
        case TimeoutError():
            return NotRunning(f"Postgres at {where} does not answer. Is the address right, and open to this machine?")
        case _:
            return NotRunning(f"no Postgres answers at {where}. Is it running, and `postgres.dsn` right?")


def redacted(dsn: str) -> str:
    """The DSN without its password, wherever that stands in it."""
    try:
        parts = urlsplit(dsn)
        user, at, place = parts.netloc.rpartition("@")
        netloc = (user.partition(":")[0] + at if at else "") + place
        query = "&".join(
            f"{name}={'********' if name in SECRET_PARAMETERS else value}" for name, value in parse_qsl(parts.query)
        )
    except ValueError:
        return "********"
    if not parts.scheme.startswith("postgres"):
        return "********"  # not a URL: it could hold a password anywhere
    return urlunsplit((parts.scheme, netloc, parts.path, query, ""))
