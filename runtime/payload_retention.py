"""Removing large payloads from Postgres when no run can ask for them any more. A part of each worker.

The invariant: what a run refers to was kept or read after the run began, or moments before, by whoever started it. So
what nobody has used since before the oldest run that Temporal still has, open or ended, belongs to no run. A schedule
has no beginning: what its runs will be given is read here each time, which keeps it.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.client import Client
from temporalio.service import RPCError

from ..actors.errors import ResproutError
from ..actors.logger import get_logger
from ..memory import large_payloads
from ..memory.database import Database
from .schedules import Schedules
from .settings import Settings

EVERY = timedelta(hours=1)
AT_ONCE = 100
PAUSE = timedelta(milliseconds=100)  # between two batches others have the disk for themselves
BEFORE_START = timedelta(hours=1)  # an input is kept before its run begins
LONGEST = timedelta(days=3650)

log = get_logger("resprout.worker")


@dataclass(frozen=True)
class PayloadRetention:
    client: Client
    settings: Settings

    async def run(self) -> None:
        while True:
            try:
                gone = await self.remove_unused(datetime.now(UTC))
            except (ResproutError, RPCError) as error:
                log.warning("large values were not cleared, it is tried again later", error=str(error))
            else:
                log.info("cleared large values that no run has any more", removed=gone)
            await asyncio.sleep(EVERY.total_seconds())

    async def remove_unused(self, now: datetime) -> int:
        """How many went."""
        dsn = self.settings.postgres.dsn
        oldest = await self.oldest_run(now)
        if dsn is None or oldest is None:
            return 0
        await Schedules(self.client, self.settings.temporal).read_inputs()
        removed = 0
        async with await Database.open(
            dsn.get_secret_value(), pool_size=1, application_name="resprout retention"
        ) as db:
            while gone := await large_payloads.remove(db, oldest - BEFORE_START, AT_ONCE):
                removed += gone
                await asyncio.sleep(PAUSE.total_seconds())
        return removed

    async def oldest_run(self, now: datetime) -> datetime | None:
        """A moment before which none of Temporal's runs began: Temporal counts them, but does not sort them."""
        age = timedelta(days=self.settings.temporal.large_values_days)
        while age <= LONGEST:
            moment = now - age
            if not (await self.client.count_workflows(f"StartTime < '{moment.isoformat()}'")).count:
                return moment
            age *= 2
        return None
