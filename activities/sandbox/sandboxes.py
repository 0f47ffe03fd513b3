"""Runs code in sandboxes: refuses what cannot be held to, and runs each key once.

The order is the invariant: the spec is checked, the backend is asked, the intent is on record, and only then anything
starts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from uuid import uuid4

from ...memory.sandbox_runs import SandboxRuns
from ..secrets import NOTHING_HIDDEN, KnowsSecrets, Veil
from .aside import Fetch
from .backend import UNRECORDED, Backend, Job, NoSandbox, Runner, Watch, unwatched
from .egress.meter import Bounds
from .egress.rules import Rules
from .execution import Execution, Keep
from .jobs import check, job_of
from .once import Once
from .reaping import Reaping
from .result import SandboxResult
from .spec import Isolation, SandboxSpec

ISOLATIONS: tuple[Isolation, ...] = ("gvisor", "container", "process")


@dataclass(frozen=True)
class Sandboxes:
    backends: Mapping[Isolation, Backend]
    secrets: KnowsSecrets
    default: Isolation | None = None  # None: a container where there is an engine, else a process
    runs: SandboxRuns | None = None  # None: nothing is recorded, and each run is a new one
    keep: Keep | None = None
    fetch: Fetch | None = None  # what was kept
    private_hosts: tuple[str, ...] = ()  # may be reached although their addresses are private
    bounds: Bounds = field(default_factory=Bounds)  # of what a run may use of the network
    remember: timedelta = timedelta(days=30)  # how long a run that has ended is on record

    @cached_property
    def execution(self) -> Execution:
        return Execution(self.private_hosts, self.bounds, self.keep)

    @cached_property
    def once(self) -> Once | None:
        return Once(self.runs, self.execution) if self.runs is not None else None

    @cached_property
    def reaping(self) -> Reaping:
        return Reaping(set(self.backends.values()), self.runs, self.remember)

    async def run(
        self,
        spec: SandboxSpec,
        key: str | None = None,
        tenant: str = "default",
        watch: Watch = unwatched,
        veil: Veil = NOTHING_HIDDEN,
    ) -> SandboxResult:
        """Its result, however often the same key is run; InDoubt when that cannot be known. `veil`: over the secrets
        that stand in the spec itself."""
        check(spec)
        if spec.net != "none":
            Rules.of(spec.net, self.private_hosts).check_addresses()
        isolation, backend = await self.choose(spec)
        job = self.job(key or f"{UNRECORDED}{uuid4()}", spec, isolation, veil=veil)
        return await self.run_job(job, backend, tenant, watch, once=bool(key))

    def job(
        self,
        key: str,
        spec: SandboxSpec,
        isolation: Isolation,
        workspace: str | None = None,
        veil: Veil = NOTHING_HIDDEN,
    ) -> Job:
        return job_of(key, spec, isolation, self.secrets, veil, workspace)

    async def run_job(self, job: Job, runner: Runner, tenant: str, watch: Watch, *, once: bool) -> SandboxResult:
        """`once`: on record by its key, where there is a record."""
        if self.once is not None and once:
            return await self.once.run(job, runner, tenant, watch)
        try:
            return await self.execution.run(job, runner, watch)
        finally:
            await runner.forget(job.key)  # nobody else knows of it

    async def choose(self, spec: SandboxSpec) -> tuple[Isolation, Backend]:
        wanted = spec.isolation or self.default
        candidates = [wanted] if wanted is not None else [one for one in ISOLATIONS[1:] if one in self.backends]
        refusals: list[str] = []
        for isolation in candidates:
            backend = self.backends.get(isolation)
            said = await backend.refusal(spec, isolation) if backend else f"there is no `isolation: {isolation}` here."
            if backend is not None and said is None:
                return isolation, backend
            refusals.append(str(said))
        raise NoSandbox("no sandbox can run this: " + " ".join(refusals))

    def leave(self) -> None:
        """The process is about to end. What is cancelled from now on is not wanted to end."""
        if self.once is not None:
            self.once.leaving = True
        for backend in self.reaping.backends:
            backend.leave()

    async def end_all(self) -> None:
        await self.reaping.end_all()

    async def reap_forever(self) -> None:
        await self.reaping.forever()

    async def keep_alive(self) -> None:
        assert self.once is not None
        await self.once.keep_alive()

    async def close(self) -> None:
        for backend in self.reaping.backends:
            await backend.close()


def key_of(tenant: str, said: str) -> str:
    """The key on record for one that a user has chosen: nobody else's, neither another tenant's nor a step's."""
    return f"user/{tenant}/{said}"
