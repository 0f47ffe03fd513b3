"""Removing budgets that nobody can spend from any more, and old calls of models. A part of each worker.

The invariant: a run's budgets stay as long as Temporal has a run that is as old. A tenant's stay until their day or
month is over, whoever used them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.service import RPCError

from ..actors.errors import ResproutError
from ..actors.logger import get_logger
from ..memory.budget_book import BudgetBook
from ..memory.database import Database
from ..memory.model_calls import ModelCalls
from .payload_retention import BEFORE_START, EVERY, PAUSE, PayloadRetention

AT_ONCE = 1_000

log = get_logger("resprout.worker")


@dataclass(frozen=True)
class BudgetRetention:
    payloads: PayloadRetention

    async def run(self) -> None:
        while True:
            try:
                await self.remove_unused(datetime.now(UTC))
            except (ResproutError, RPCError) as error:
                log.warning("old budgets were not cleared, it is tried again later", error=str(error))
            await asyncio.sleep(EVERY.total_seconds())

    async def remove_unused(self, now: datetime) -> int:
        """How many rows went."""
        settings = self.payloads.settings
        oldest = await self.payloads.oldest_run(now)
        if settings.postgres.dsn is None:
            return 0
        dsn = settings.postgres.dsn.get_secret_value()
        async with await Database.open(dsn, pool_size=1, application_name="resprout retention") as database:
            book, calls = BudgetBook.of(database), ModelCalls(database.opened)
            age = timedelta(days=settings.models.recorded_days)
            gone = await _all(lambda: calls.forget(age, AT_ONCE))
            if oldest is not None:
                before = oldest - BEFORE_START
                gone += await _all(lambda: book.forget(before, AT_ONCE))
        return gone


async def _all(batch: Callable[[], Awaitable[int]]) -> int:
    """Between two batches others have the disk for themselves."""
    removed = 0
    while gone := await batch():
        removed += gone
        await asyncio.sleep(PAUSE.total_seconds())
    return removed
