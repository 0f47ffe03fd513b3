"""What is left behind goes: sandboxes of processes that were killed, and runs that ended long ago.

The invariant: what somebody may come back to stays, as long as it is on record without an end.
"""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from ...actors.errors import ResproutError
from ...actors.logger import get_logger
from ...memory.sandbox_runs import SandboxRun, SandboxRuns
from .backend import Backend, NoSandbox, Unfinished

log = get_logger("resprout.sandbox")

REAP_EVERY = timedelta(minutes=1)
FORGET_AT_ONCE = 500
FORGET_PAUSE = timedelta(milliseconds=100)


@dataclass(frozen=True)
class Reaping:
    backends: Collection[Backend]
    runs: SandboxRuns | None  # None: nothing is recorded
    remember: timedelta  # how long a run that has ended is on record

    async def forever(self) -> None:
        """What killed processes of ours left behind on this machine goes."""
        unfinished = self.runs.unfinished if self.runs is not None else None
        while True:
            for backend in self.backends:
                await self._reap(backend, unfinished)
            if self.runs is not None:
                await self._forget(self.runs)
            await asyncio.sleep(REAP_EVERY.total_seconds())

    async def end_all(self) -> None:
        """All other processes of this installation are gone, and are not wanted back: nothing of what they ran stays.

        Without the record, runs whose containers go are in doubt for whoever asks for them again.
        """
        if self.runs is not None:
            await asyncio.gather(*(self._end(self.runs, run) for run in await self.runs.under_way()))
        for backend in self.backends:
            with suppress(NoSandbox):  # no engine: nothing of ours is there
                await backend.reap(_nobody)

    async def _reap(self, backend: Backend, unfinished: Unfinished | None) -> None:
        try:
            if removed := await backend.reap(unfinished):
                log.warning("sandboxes left behind were removed", backend=backend.name, count=removed)
        except NoSandbox:
            return  # no engine: nothing of ours is there
        except ResproutError as error:
            log.warning("sandboxes left behind cannot be looked for", backend=backend.name, error=str(error))
        except Exception:  # a mistake of ours ends one round, not all
            log.exception("looking for sandboxes left behind failed", backend=backend.name)

    async def _forget(self, runs: SandboxRuns) -> None:
        """Old runs, in batches; between two of them others have the disk for themselves."""
        gone = FORGET_AT_ONCE
        try:
            while gone == FORGET_AT_ONCE:
                gone = await runs.forget(self.remember, FORGET_AT_ONCE)
                await asyncio.sleep(FORGET_PAUSE.total_seconds())
        except ResproutError as error:
            log.warning("old sandbox runs were not forgotten, it is tried again later", error=str(error))
        except Exception:
            log.exception("forgetting old sandbox runs failed")

    async def _end(self, runs: SandboxRuns, run: SandboxRun) -> None:
        backend = next((one for one in self.backends if one.name == run.backend), None)
        with suppress(NoSandbox):  # its engine is away: its container is come back to another time
            if backend is not None and await backend.end(run.key, run.place):
                await runs.interrupt(run)


async def _nobody() -> tuple[str, ...]:
    return ()
