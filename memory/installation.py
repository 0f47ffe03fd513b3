"""Which installation this is: who shares a Postgres is of one, and no two have the same, wherever they are."""

from .database import Database
from .translated import translated

ID = "SELECT id FROM resprout.installation"


async def installation_of(database: Database) -> str:
    with translated():
        found: str = await database.pool.fetchval(ID)
    return found
