"""Connections to Postgres, and the sentences that a user reads when there is none.

A password never leaves this file: messages name a DSN only through `redacted`.
"""

import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import TracebackType
from urllib.parse import parse_qsl

import asyncpg

from ..actors.errors import ConfigError, NotRunning, ResproutError

SECRET_PARAMETERS = {"password", "passfile", "sslpassword"}
HIDDEN = "********"

# Strict on purpose. A password with a bare `/`, `?` or `#` tears a URL inside itself, and one without a host looks
# like a port: what does not fit this form could hold the password anywhere, and is not shown at all.
_HOST = r"(?:\[[^]@/?#]*\]|[^][:,@/?#]*)(?::\d*)?"
_SHOWABLE = re.compile(
    r"(?P<scheme>postgres(?:ql)?)://"
    r"(?:(?P<user>[^:@/?#]*)(?::[^/?#]*)?@)?"
    rf"(?P<hosts>{_HOST}(?:,{_HOST})*)"
    r"(?P<path>/[^@?#]*)?"
    r"(?:\?(?P<query>[^@#]*))?"
)


class NoConnectionLeft(NotRunning):
    """The server is alive, and as many are connected as it allows."""


class Database:
    """A pool of connections, opened once per process."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self.pool = pool

    @classmethod
    async def open(
        cls, dsn: str, *, pool_size: int = 10, application_name: str = "resprout", resets: bool = True
    ) -> "Database":
        """`resets=False`: its users leave nothing in a session, so that no question to the server need end each use."""
        await check(dsn)
        pool = await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=pool_size,
            reset=None if resets else _nothing,
            server_settings={"application_name": application_name},
        )
        return cls(pool)

    async def opened(self) -> "Database":
        """For stores, which ask for a pool each time, since elsewhere it is opened when it is first needed."""
        return self

    async def close(self) -> None:
        await self.pool.close()

    async def __aenter__(self) -> "Database":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def _nothing(connection: object) -> None:
    pass


async def check(dsn: str, timeout: timedelta = timedelta(seconds=5)) -> str:
    """Connects once and returns the server's version; otherwise says in one sentence what is wrong."""
    async with connected(dsn, timeout) as connection:
        return str(await connection.fetchval("show server_version"))


@asynccontextmanager
async def connected(dsn: str, timeout: timedelta) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """One connection for a few questions; what is wrong with it, or with Postgres' answers, in one sentence."""
    seconds = timeout.total_seconds()
    try:
        if not dsn:
            raise ValueError("empty")  # the driver would take its defaults instead
        connection = await asyncpg.connect(dsn, timeout=seconds, command_timeout=seconds)
        try:
            yield connection
        finally:
            await connection.close(timeout=seconds)
    except (OSError, TimeoutError, ValueError, OverflowError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
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
    said = one_line(error)
    match error:
        case asyncpg.InvalidPasswordError():
            return ConfigError(f"Postgres at {where} refuses the user or password. Mend `postgres.dsn`.")
        case asyncpg.InvalidAuthorizationSpecificationError():  # no such role, or pg_hba.conf has no line for it
            return ConfigError(
                f"Postgres at {where} does not let this user in: {said}. Allow it there, or mend `postgres.dsn`."
            )
        case asyncpg.InvalidCatalogNameError():
            return ConfigError(f"Postgres at {where} has no such database. Create it, or mend `postgres.dsn`.")
        case asyncpg.TooManyConnectionsError():
            return NoConnectionLeft(f"Postgres at {where} takes no connections now: {said}. Try again in a moment.")
        case asyncpg.CannotConnectNowError():
            return NotRunning(f"Postgres at {where} takes no connections now: {said}. Try again in a moment.")
        case asyncpg.PostgresError():
            return NotRunning(f"Postgres at {where} refuses: {said}.")
        case asyncpg.InterfaceError() | ValueError() | OverflowError():
            return ConfigError(
                f"`postgres.dsn` ({where}) is not a DSN. Write postgresql://user:password@host:5432/database."
            )
        case ssl.SSLError():
            return ConfigError(
                f"Postgres at {where}: TLS failed: {said}. Mend the sslmode and certificates of the DSN."
            )
        case TimeoutError():
            return NotRunning(f"Postgres at {where} does not answer. Is the address right, and open to this machine?")
        case _:
            return NotRunning(f"no Postgres answers at {where}. Is it running, and `postgres.dsn` right?")


def one_line(error: Exception) -> str:
    """What an error says, without the lines of detail and hints that Postgres adds."""
    return (str(error) or type(error).__name__).partition("\n")[0].rstrip(".")


def redacted(dsn: str) -> str:
    """The DSN without its password, wherever that stands in it."""
    shown = _SHOWABLE.fullmatch(dsn)
    if shown is None:
        return HIDDEN
    user = f"{shown['user']}@" if shown["user"] is not None else ""
    parameters = "&".join(
        f"{name}={HIDDEN if name.lower() in SECRET_PARAMETERS else value}"
        for name, value in parse_qsl(shown["query"] or "")
    )
    query = f"?{parameters}" if parameters else ""
    return f"{shown['scheme']}://{user}{shown['hosts']}{shown['path'] or ''}{query}"
