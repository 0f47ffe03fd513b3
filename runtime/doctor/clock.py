"""Is this machine's clock right? By itself it can only be shown to be wrong; a server's clock says by how much."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from ...actors.errors import ResproutError
from ..settings import Settings
from .finding import Finding, ok, warning

OLDEST_YEAR = 2026  # this code did not exist before
LARGEST_OFFSET = timedelta(seconds=2)
LARGEST_JUMP = timedelta(milliseconds=100)
WATCHED = timedelta(milliseconds=100)

Offset = Callable[[str], Awaitable[timedelta]]


async def check(settings: Settings, postgres_offset: Offset) -> list[Finding]:
    jumped, compared = await asyncio.gather(_jump(), _compared(settings, postgres_offset))
    return [judged(datetime.now(UTC), jumped, compared)]


def judged(now: datetime, jumped: timedelta, compared: timedelta | str) -> Finding:
    """`compared` is how far we are ahead of the server, or why that is not known."""
    if now.year < OLDEST_YEAR:
        return warning("clock", f"says {now:%Y-%m-%d}, which has passed", "Set the clock, best by NTP.")
    if abs(jumped) > LARGEST_JUMP:
        found = f"jumped by {jumped.total_seconds():+.1f} s while it was watched"
        return warning("clock", found, "Something sets it: let NTP slew it, and end what else does.")
    if isinstance(compared, str):
        return ok("clock", f"not compared: {compared}")
    found = f"{compared.total_seconds():+.1f} s from Postgres"
    if abs(compared) > LARGEST_OFFSET:
        return warning("clock", found, "Deadlines and timers will be off: run NTP on both machines.")
    return ok("clock", found)


async def _jump() -> timedelta:
    """How much more the wall clock went forward than time did."""
    before = time.time() - time.monotonic()
    await asyncio.sleep(WATCHED.total_seconds())
    return timedelta(seconds=time.time() - time.monotonic() - before)


async def _compared(settings: Settings, postgres_offset: Offset) -> timedelta | str:
    if settings.postgres.dsn is None:
        return "no external server"
    try:
        return await postgres_offset(settings.postgres.dsn.get_secret_value())
    except ResproutError:
        return "Postgres does not answer"
