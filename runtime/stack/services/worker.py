"""The worker, and what it may leave behind when the stack stops: containers, which are nobody's children."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from ....actors.errors import ResproutError
from ....actors.logger import get_logger
from ...settings import Settings
from ..paths import StackPaths
from .ours import OurService

log = get_logger("resprout.supervisor")

ENDS_WITHIN = timedelta(seconds=30)


class WorkerService(OurService):
    def __init__(
        self, paths: StackPaths, settings: Settings, *, after: tuple[str, ...], env: Mapping[str, str]
    ) -> None:
        """`settings` lead to the Postgres of this stack, which no other has."""
        super().__init__(paths, "worker", ["worker"], after=after, env=env)
        self.settings = settings

    async def leave(self) -> None:
        if not await self._end_sandboxes(is_recorded=True):
            await self._end_sandboxes(is_recorded=False)  # Postgres may not have come up

    async def _end_sandboxes(self, *, is_recorded: bool) -> bool:
        from ...sandboxes import end_all

        try:
            await asyncio.wait_for(end_all(self.settings, is_recorded=is_recorded), ENDS_WITHIN.total_seconds())
        except (ResproutError, TimeoutError) as error:
            log.error("sandboxes may be left", recorded=is_recorded, reason=str(error) or "no answer in time")
            return False
        return True
