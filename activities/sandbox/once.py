"""Runs of a key on record: each runs once, however often it is asked for, and from however many processes.

The order is the invariant: the intent is on record, and only then anything starts. What has ended is answered from the
record. A run whose owner is gone is come back to where its backend can, and is in doubt where it cannot: it may have
had effects, so it is not started again.
"""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID, uuid4
from weakref import WeakValueDictionary

from ...actors.errors import BadArgument, Rejected, ResproutError, Unavailable
from ...actors.logger import get_logger
from ...memory.sandbox_runs import Intent, SandboxRun, SandboxRuns
from .backend import InDoubt, Job, Runner, Watch
from .execution import Execution
from .jobs import hash_of
from .result import SandboxResult

log = get_logger("resprout.sandbox")

LOOK_EVERY = timedelta(milliseconds=500)  # at a run that somebody else looks after


@dataclass
class Once:
    """What this process has to do with the record."""

    runs: SandboxRuns
    execution: Execution
    owner: UUID = field(default_factory=uuid4)
    under_way: set[str] = field(default_factory=set)
    locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    leaving: bool = False  # what is cancelled from now on is not wanted to end

    async def run(self, job: Job, runner: Runner, tenant: str, watch: Watch) -> SandboxResult:
        place = await runner.place()
        async with self.locks.setdefault(job.key, asyncio.Lock()):
            if not await self._intend(job, tenant, runner, place):
                found = await self._from_record(job, tenant, runner, place)
                if isinstance(found, SandboxResult):
                    return found
                job = found
            self.under_way.add(job.key)
            try:
                return await self._recorded(job, runner, watch)
            finally:
                self.under_way.discard(job.key)

    async def keep_alive(self) -> None:
        """For ever: says that the runs of this process have an owner."""
        while True:
            if self.under_way:
                try:
                    await self.runs.seen(sorted(self.under_way), self.owner)
                except ResproutError as error:
                    log.warning("sandbox runs not told to be alive", error=str(error))
                except Exception:  # without it, others would take over what goes on here
                    log.exception("telling that sandbox runs are alive failed")
            await asyncio.sleep(self.runs.lease.total_seconds() / 5)

    async def _intend(self, job: Job, tenant: str, runner: Runner, place: str) -> bool:
        reaches_out, limit = job.spec.net != "none", job.spec.limits.time
        hashed = hash_of(job)
        intent = Intent(job.key, tenant, hashed, runner.name, place, self.owner, reaches_out, limit)
        return await self.runs.intend(intent)

    async def _from_record(self, job: Job, tenant: str, runner: Runner, place: str) -> SandboxResult | Job:
        """A job: it is this process' to run, or to come back to. Nobody else in this process is at it."""
        while True:
            run = await self.runs.find(job.key)
            if run is None:  # who intended it has withdrawn
                if await self._intend(job, tenant, runner, place):
                    return job
                continue
            if (run.tenant, run.spec_hash) != (tenant, hash_of(job)):
                raise BadArgument(f"the key {job.key} stands for another run. Give each run a key of its own.")
            match run.state:
                case "ended":
                    return SandboxResult.model_validate_json(run.result or "")
                case "in-doubt":
                    raise _doubt(run)
            abandoned = run.owner == self.owner or not run.alive
            if abandoned and await self._is_ours(run, runner, place):
                return replace(job, has_begun=run.state == "started")
            await asyncio.sleep(LOOK_EVERY.total_seconds())

    async def _is_ours(self, run: SandboxRun, runner: Runner, place: str) -> bool:
        """Of a run whose owner is gone."""
        reached = runner.comes_back and runner.name == run.backend and place == run.place
        if run.state == "intended" or reached:
            return await self.runs.take_over(run, self.owner)
        if await self.runs.doubt(run, self.owner):
            raise _doubt(run)
        return False

    async def _recorded(self, job: Job, runner: Runner, watch: Watch) -> SandboxResult:
        async def starting() -> None:
            if not await self.runs.start(job.key, self.owner, has_begun=job.has_begun):
                raise Unavailable(f"the sandbox run {job.key} was taken over by another worker.")

        started = replace(job, starting=starting)
        try:
            result = await self.execution.run(started, runner, watch)
        except asyncio.CancelledError:
            if not self.leaving:
                await asyncio.shield(self._cancelled(job, runner))
            raise
        except Rejected:
            await asyncio.shield(self.runs.withdraw(job.key, self.owner, started=True))
            raise
        except InDoubt:  # perhaps because somebody else has brought its result home, and removed what was left of it
            if (known := await self._known(job.key)) is None:
                raise
            return known
        except BaseException:
            await asyncio.shield(self.runs.withdraw(job.key, self.owner))  # only what was not started
            raise
        if not await self.runs.end(job.key, result.model_dump_json()):
            result = await self._known(job.key) or result  # all who ask are told the same
        await runner.forget(job.key)
        return result

    async def _cancelled(self, job: Job, runner: Runner) -> None:
        result = await self.execution.cancelled(job, runner)
        await self.runs.end(job.key, result.model_dump_json())
        await runner.forget(job.key)

    async def _known(self, key: str) -> SandboxResult | None:
        run = await self.runs.find(key)
        return None if run is None or run.result is None else SandboxResult.model_validate_json(run.result)


def _doubt(run: SandboxRun) -> InDoubt:
    began = f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC" if run.started_at else "a moment ago"
    if run.backend == "process":
        lost = f"its process on {run.place} was lost"
        come_back = " Runs with `isolation: container` are come back to."
    else:
        lost, come_back = "its container is gone: removed by `resprout down` or by hand, or ended with its engine", ""
    return InDoubt(
        f"the sandbox run {run.key} began at {began}, and its end is not known: {lost}. It is not run again by itself, "
        "for it may have had effects. Look, and start it anew: a flow by `resprout runs retry`, else under a new key."
        f"{come_back}"
    )
