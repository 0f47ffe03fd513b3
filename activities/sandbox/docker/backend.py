"""Runs jobs in containers of a Docker engine, each key once however many controllers try and die.

The key becomes the name of a container. To have the name is to be claimed; a container that has it is come back to;
inside, the first runner starts the job and everyone else follows it. So nothing that matters is only in this process.
A container that ended without results has lost them: then the run is in doubt, and is not repeated.
"""

import asyncio
import time
from collections.abc import Coroutine
from contextlib import ExitStack, suppress
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from ....actors.errors import Rejected
from ....actors.size import format_size
from ..backend import BadSpec, Ending, InDoubt, Job, NoSandbox, Unfinished, Watch
from ..patience import patience
from ..result import Ended
from ..selection import Selection
from ..spec import Isolation, SandboxLimits, SandboxSpec
from ..way_out import hand_over
from .attachment import Attachment, Witness
from .containers import Containers
from .endings import broken_off, ending, is_refusal
from .engine import Engine, Gone, NameTaken
from .harvest import budget, harvest
from .images import Images
from .names import KEPT, labels, run_name
from .parcel import parcel
from .pipes import answers
from .pool import Pool
from .reaper import Reaper
from .removals import Removals
from .runtimes import RUNTIMES, refusal
from .shape import JOB_UID, KEEPER_USER, SCRATCH, Shape, shape_of

T = TypeVar("T")

ATTEMPTS = 5
LEAST_MEMORY = 32 << 20
CLAIMING = 60.0
_CLAIMED_IN_VAIN = "The engine did not give the container of {} in a minute: see its log, and try again."
_LACKS_TOOLS = 127
_NEVER = "0002"  # the engine says year one for what did not happen


class _OutOfMemory(Exception):
    pass


class DockerBackend:
    name = "docker"
    comes_back = True

    def __init__(self, engine: Engine, instance: str, warm: int = 2) -> None:
        """`instance` is the installation whose runs these are; `warm` containers are kept ready per language."""
        self._engine = engine
        self._instance = instance
        self._containers = Containers(engine)
        self._images = Images(engine)
        self._pool = Pool(engine, instance, warm)
        self._reaper = Reaper(self._containers, instance)
        self._removals = Removals(self._containers)
        self._is_leaving = False

    async def refusal(self, spec: SandboxSpec, isolation: Isolation) -> str | None:
        if isolation not in RUNTIMES:
            return f"Docker does not give the isolation `{isolation}`: write `container` or `gvisor`."
        if spec.net != "none" and not self._engine.is_near:
            return (
                f"The way to the network is a socket of this machine, which the engine at {self._engine.url} does not "
                "see: run the worker where the engine is, with DOCKER_HOST=unix:///…, or leave `net` out."
            )
        try:
            facts = await self._engine.facts()
            await self._images.digest(spec)
        except NoSandbox as error:
            return str(error)
        if (said := refusal(spec, isolation, facts["Runtimes"])) is not None:
            return said
        if spec.limits.cpu > (there := facts["NCPU"]):
            return f"`limits.cpu` is {spec.limits.cpu:g}, the engine has {there}: write {there} or less."
        if spec.limits.memory > (most := facts["MemTotal"]):
            said = format_size(spec.limits.memory)
            return f"`limits.memory` is {said}, the engine has {most >> 20}MB: write that or less."
        if spec.limits.memory < LEAST_MEMORY:
            return f"A container cannot run in {format_size(spec.limits.memory)}: write `limits.memory: 32MB` or more."
        return None

    async def place(self) -> str:
        return str((await self._engine.facts())["ID"])

    async def run(self, job: Job, watch: Watch) -> Ending:
        name = run_name(self._instance, job.key)
        image = await self._images.digest(job.spec)
        if job.gate is not None:
            hand_over(job.gate, JOB_UID)
        await self._removals.ended(name)
        runners = ExitStack()
        try:
            runner = await _finished(self._claim(name, shape_of(job, image), job, runners))
            await job.starting()
            return await self._attend(name, job, image, Witness(watch, job.spec.limits.output), runner)
        except (asyncio.CancelledError, Rejected):
            if not self._is_leaving:
                await _finished(self._containers.remove(name))
            raise
        finally:
            runners.close()
            self._pool.refill()

    def leave(self) -> None:
        self._is_leaving = True

    async def forget(self, key: str) -> None:
        await self._removals.begin(run_name(self._instance, key))

    async def end(self, key: str, place: str) -> bool:
        if place != await self.place():
            return False
        await self._containers.remove(run_name(self._instance, key))
        return True

    async def reap(self, unfinished: Unfinished | None = None) -> int:
        return await self._reaper.reap(unfinished)

    async def warm_up(self, spec: SandboxSpec, isolation: Isolation = "container") -> None:
        """Returns when the pool is filled with what such a job needs."""
        shape = shape_of(Job("", spec, isolation), await self._images.digest(spec))
        if _is_common(spec, shape):
            await self._pool.filled(shape)

    async def settled(self) -> None:
        """Returns when all that is forgotten is removed and what is replaced is there."""
        await asyncio.gather(self._removals.all_ended(), self._pool.settled())

    async def close(self) -> None:
        await self._pool.close()
        await self._removals.all_ended()
        await self._engine.close()

    async def _claim(self, name: str, shape: Shape, job: Job, runners: ExitStack) -> Attachment | None:
        """Afterwards a container of this name is there and was started, by us or by somebody before us.

        A runner that waits in it has been given to `runners`, to be closed whatever happens.
        """
        life = job.spec.limits.time + KEPT
        if job.has_begun:
            if not await self._started(name):
                raise InDoubt(_removed(job))
            return None
        async with patience(CLAIMING, _CLAIMED_IN_VAIN.format(job.key)):
            while True:
                with suppress(NameTaken):
                    if (runner := await self._claim_warm(name, shape, job.spec)) is not None:
                        runners.callback(runner.close)
                        return runner
                    await self._containers.create(name, shape, labels(self._instance, life, job.key))
                if await self._started(name):
                    return None
                await asyncio.sleep(0.02)  # a name is taken before its container can be found; nothing tells when

    async def _started(self, name: str) -> bool:
        """By whoever made it, or by us when he did not live to do it.

        What ended is not started: that would run the code again. Two may start it at once, and it may have ended
        between them: then it has an end and runs all the same, and must not.
        """
        try:
            state = await self._containers.state(name)
            if state["Status"] == "created":
                await self._start(name)
                state = await self._containers.state(name)
        except Gone:
            return False
        if state["Running"] and state["FinishedAt"] > _NEVER:
            await self._containers.kill(name)
        return True

    async def _start(self, name: str) -> None:
        try:
            await self._containers.start(name)
        except Gone:
            raise
        except NoSandbox:
            await self._containers.remove(name)  # it cannot run here, now: another time it may
            raise

    async def _claim_warm(self, name: str, shape: Shape, spec: SandboxSpec) -> Attachment | None:
        while _is_common(spec, shape) and (warm := self._pool.take(shape, spec.limits.time)) is not None:
            if await warm.runner.is_over():  # its container, too, or it is not worth finding out
                warm.runner.close()
                await self._removals.begin(warm.name)
                continue
            try:
                await self._containers.rename(warm.name, name)
            except Gone:
                warm.runner.close()  # somebody removed it; the next
            except NameTaken:
                self._pool.give_back(shape, warm)
                raise
            else:
                return warm.runner
        return None

    async def _attend(self, name: str, job: Job, image: str, witness: Witness, runner: Attachment | None) -> Ending:
        started = time.monotonic()
        limits = job.spec.limits
        for _ in range(ATTEMPTS):
            left = limits.time.total_seconds() - (time.monotonic() - started)
            try:
                runner = runner or await Attachment.open(self._engine, name)
                look = partial(self._look, name) if job.isolation == "gvisor" else None
                found = await runner.results(witness, parcel(job), max(0.0, left), budget(limits.output), look)
            except (TimeoutError, _OutOfMemory) as error:
                await self._containers.kill(name)
                why: Ended = "memory" if isinstance(error, _OutOfMemory) else "timeout"
                return broken_off(image, why, time.monotonic() - started, witness)
            except (Gone, NameTaken):
                found = None
            if found is not None:
                harvested = harvest(found, Selection(job.spec.collect))
                if is_refusal(harvested) and not await self._has_begun(name):
                    raise Rejected("`files` do not fit into the sandbox. Raise `limits.disk`, or put in less.")
                return ending(job, image, harvested, witness)
            runner = None  # it is used up
            if (lost := await self._lost(name, job, image, witness)) is not None:
                return lost
        raise InDoubt(f"The run {job.key} ends whoever comes to it: remove its container {name}.")

    async def _look(self, name: str) -> None:
        """gVisor may end as a whole when memory runs out, and leave the engine waiting for its process. Or one process
        in it was killed, and the others go on."""
        state = await self._containers.state(name)
        if not state["Running"]:
            raise Gone(f"The container {name} has ended.")
        if state["OOMKilled"] and not await answers(self._engine, name):
            raise _OutOfMemory

    async def _has_begun(self, name: str) -> bool:
        """By the word of the first process: all else in a container may be the job's. So if it has none, it has."""
        asked = ["/bin/sh", "-c", "[ ! -e /run/resprout/stdout.begun ] && echo waits"]
        try:
            created = await self._engine.call(lambda api: api.exec_create(name, asked, user=KEEPER_USER))
            said: bytes = await self._engine.call(lambda api: api.exec_start(created["Id"]))
        except NoSandbox:
            return True
        return said != b"waits\n"

    async def _lost(self, name: str, job: Job, image: str, witness: Witness) -> Ending | None:
        """None while its container runs: the job ended our process there, the next one learns how it ends."""
        try:
            state = await self._containers.state(name)
        except Gone as error:
            raise InDoubt(_removed(job)) from error
        if state["Running"]:
            return None
        if state["OOMKilled"]:
            return broken_off(image, "memory", _ran(state), witness)
        if state["ExitCode"] == _LACKS_TOOLS:
            await self._containers.remove(name)
            raise BadSpec(f"The image {job.spec.image} lacks tar, find or one of the core utilities: add them.")
        said = f"The container of {job.key} ended with its results in it, perhaps with the engine"
        raise InDoubt(f"{said}: look at what it did, then run it under another key.")


def _is_common(spec: SandboxSpec, shape: Shape) -> bool:
    """What the pool keeps: our images, the limits that nobody changed, no network."""
    limits, default = spec.limits, SandboxLimits()
    same = limits.model_copy(update={"time": default.time}) == default
    return spec.language is not None and same and shape.gate is None and shape.scratch == SCRATCH


def _removed(job: Job) -> str:
    return f"The container of {job.key} was removed while it ran, or a day after its time: see who did that."


def _ran(state: dict[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(state[name][:19]) for name in ("StartedAt", "FinishedAt"))
    return (ended - began).total_seconds()


async def _finished(work: Coroutine[Any, Any, T]) -> T:
    """What was asked of the engine is done although nobody waits for it: cancelled, we wait for its end first."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise
