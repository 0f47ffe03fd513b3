"""The driver's errors in the vocabulary that callers can act on.

The invariant: no error of the driver leaves this room untranslated. Whoever is above takes an error that is none of
ours for a defect, and what it was doing would stay half done in memory.
"""

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
    except asyncpg.PostgresConnectionError as error:
        raise _broke(error) from None
    except asyncpg.PostgresError as error:  # no disk space, a deadlock with a rival, a block that cannot be read
        raise DatabaseLost(f"Postgres did not do it: {one_line(error)}. Ask again with the same id.") from None
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as error:
        raise _broke(error) from None


def _broke(error: Exception) -> DatabaseLost:
    return DatabaseLost(f"the connection to Postgres broke: {one_line(error)}. Ask again with the same id.")
