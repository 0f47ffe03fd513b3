"""The driver's errors in the vocabulary that callers can act on."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from ..actors.errors import BadMessage, DatabaseLost
from .database import one_line


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except (asyncpg.DataError, asyncpg.ProgramLimitExceededError) as error:
        raise BadMessage(f"this cannot be stored as JSON in Postgres: {one_line(error)}.") from None
    except (
        asyncpg.PostgresConnectionError,
        asyncpg.OperatorInterventionError,
        asyncpg.InsufficientResourcesError,  # no disk space, too many connections
        asyncpg.TransactionRollbackError,  # a deadlock with a rival
        asyncpg.CannotConnectNowError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
        OSError,
        TimeoutError,
    ) as error:
        raise DatabaseLost(
            f"the connection to Postgres broke: {one_line(error)}. Ask again with the same id."
        ) from None
