"""The installation whose containers are ours, as its Postgres has it; noted beside the data for when that is down."""

import hashlib
from pathlib import Path

from ..memory.database import redacted
from ..memory.installation import installation_of
from .lazy_database import LazyDatabase
from .settings import Settings

# What is on no record has no key that could be somebody else's, and is reaped by the death of its process only.
UNRECORDED = "unrecorded"


async def installation(settings: Settings, database: LazyDatabase) -> str:
    found = await installation_of(await database.open())
    note = _note(settings)
    if note.parent.is_dir() and noted(settings) != found:
        try:
            note.write_text(found)
        except OSError:
            return found  # a directory that is only read: whoever takes its stack down can write to it
    return found


def noted(settings: Settings) -> str | None:
    """As it was when its Postgres last answered here; None: no container was made from here."""
    try:
        return _note(settings).read_text() or None
    except OSError:
        return None


def _note(settings: Settings) -> Path:
    """One for each Postgres: who takes down one installation must not mean another."""
    dsn = settings.postgres.dsn
    which = redacted(dsn.get_secret_value()) if dsn is not None else ""
    return settings.data_dir.expanduser() / f"installation-{hashlib.sha256(which.encode()).hexdigest()[:12]}"
