"""Runs code in sandboxes: refuses what cannot be held to, and runs each key once.

The order is the invariant: the spec is checked, the backend is asked, the intent is on record, and only then anything
starts. What has ended is answered from the record. A run whose owner is gone is come back to where its backend can,
and is in doubt where it cannot: it may have had effects, so it is not started again. Nobody sees a value of a secret
that the code was given: a veil lies over what it gives before that is recorded, watched or handed on.
"""

import asyncio
import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any, assert_never
from uuid import UUID, uuid4
from weakref import WeakValueDictionary

from ...actors.errors import BadArgument, Rejected, ResproutError, Unavailable
from ...actors.logger import get_logger
from ...memory.sandbox_runs import Intent, SandboxRun, SandboxRuns
from ..secrets import NOTHING_HIDDEN, SCHEME, KnowsSecrets, Veil
from .backend import Backend, BadSpec, Captured, Ending, InDoubt, Job, NoSandbox, Runner, Watch
from .egress.meter import Bounds, Connection
from .output import Output
from .result import ResultFile, SandboxResult, SeenConnection, Stream
from .spec import Isolation, SandboxSpec, problems
from .way_out import Connections, way_out

log = get_logger("resprout.sandbox")

INLINE_BYTES = 256 << 10  # of one file; larger ones are kept aside
REAP_EVERY = timedelta(minutes=1)
FORGET_AT_ONCE = 500
FORGET_PAUSE = timedelta(milliseconds=100)
LOOK_EVERY = timedelta(milliseconds=500)  # at a run that somebody else looks after

ISOLATIONS: tuple[Isolation, ...] = ("gvisor", "container", "process")


Keep = Callable[[Sequence[bytes]], Awaitable[Any]]  # keeps content aside, by its hash


def unwatched(stream: str, chunk: bytes) -> None:
    """Nobody looks."""


@dataclass
class Sandboxes:
    backends: Mapping[Isolation, Backend]
    secrets: KnowsSecrets
    default: Isolation | None = None  # None: a container where there is an engine, else a process
    runs: SandboxRuns | None = None  # None: nothing is recorded, and each run is a new one
    keep: Keep | None = None
    private_hosts: tuple[str, ...] = ()  # may be reached although their addresses are private
    bounds: Bounds = field(default_factory=Bounds)  # of what a run may use of the network
    remember: timedelta = timedelta(days=30)  # how long a run that has ended is on record
    owner: UUID = field(default_factory=uuid4)
    under_way: set[str] = field(default_factory=set)
    locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    leaving: bool = False

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
        isolation, backend = await self.choose(spec)
        job = self.job(key or f"once/{uuid4()}", spec, isolation, veil=veil)
        return await self.run_job(job, backend, tenant, watch, once=key is not None)

    def job(
        self,
        key: str,
        spec: SandboxSpec,
        isolation: Isolation,
        workspace: str | None = None,
        veil: Veil = NOTHING_HIDDEN,
    ) -> Job:
        names = {variable: reference.removeprefix(SCHEME) for variable, reference in spec.secrets.items()}
        values = {name: self.secrets.value(name) for name in names.values()}
        env = {name: _plain(value) for name, value in spec.env.items()}
        env |= {variable: values[name] for variable, name in names.items()}
        return Job(key, spec, isolation, contents(spec), env, veil.over(values), workspace=workspace)

    async def run_job(self, job: Job, runner: Runner, tenant: str, watch: Watch, *, once: bool) -> SandboxResult:
        """`once`: on record by its key, where there is a record."""
        if self.runs is None or not once:
            try:
                return await self._ran(job, runner, watch)
            finally:
                await runner.forget(job.key)  # nobody else knows of it
        return await self._once(self.runs, job, runner, tenant, watch)

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
        self.leaving = True
        for backend in set(self.backends.values()):
            backend.leave()

    async def end_all(self) -> None:
        """All other processes of this installation are gone, and are not wanted back: nothing of what they ran stays.

        Without the record, runs whose containers go are in doubt for whoever asks for them again.
        """
        if self.runs is not None:
            await asyncio.gather(*(self._end(self.runs, run) for run in await self.runs.under_way()))
        for backend in set(self.backends.values()):
            with suppress(NoSandbox):  # no engine: nothing of ours is there
                await backend.reap(_nobody)

    async def _end(self, runs: SandboxRuns, run: SandboxRun) -> None:
        backend = next((one for one in self.backends.values() if one.name == run.backend), None)
        with suppress(NoSandbox):  # its engine is away: its container is come back to another time
            if backend is not None and await backend.end(run.key, run.place):
                await runs.interrupt(run)

    async def close(self) -> None:
        for backend in set(self.backends.values()):
            await backend.close()

    async def keep_alive(self) -> None:
        """For ever: says that the runs of this process have an owner."""
        assert self.runs is not None
        while True:
            if self.under_way:
                try:
                    await self.runs.seen(sorted(self.under_way), self.owner)
                except ResproutError as error:
                    log.warning("sandbox runs not told to be alive", error=str(error))
            await asyncio.sleep(self.runs.lease.total_seconds() / 5)

    async def reap_forever(self) -> None:
        """What killed processes of ours left behind on this machine goes."""
        unfinished = self.runs.unfinished if self.runs is not None else None
        while True:
            for backend in set(self.backends.values()):
                try:
                    if removed := await backend.reap(unfinished):
                        log.warning("sandboxes left behind were removed", backend=backend.name, count=removed)
                except NoSandbox:
                    continue  # no engine: nothing of ours is there
                except ResproutError as error:
                    log.warning("sandboxes left behind cannot be looked for", backend=backend.name, error=str(error))
            if self.runs is not None:
                await self._forget(self.runs)
            await asyncio.sleep(REAP_EVERY.total_seconds())

    async def _forget(self, runs: SandboxRuns) -> None:
        """Old runs, in batches; between two of them others have the disk for themselves."""
        gone = FORGET_AT_ONCE
        try:
            while gone == FORGET_AT_ONCE:
                gone = await runs.forget(self.remember, FORGET_AT_ONCE)
                await asyncio.sleep(FORGET_PAUSE.total_seconds())
        except ResproutError as error:
            log.warning("old sandbox runs were not forgotten, it is tried again later", error=str(error))

    async def _once(self, runs: SandboxRuns, job: Job, backend: Runner, tenant: str, watch: Watch) -> SandboxResult:
        place = await backend.place()
        async with self.locks.setdefault(job.key, asyncio.Lock()):
            if not await self._intend(runs, job, tenant, backend, place):
                found = await self._from_record(runs, job, tenant, backend, place)
                if isinstance(found, SandboxResult):
                    return found
                job = found
            self.under_way.add(job.key)
            try:
                return await self._recorded(runs, job, backend, watch)
            finally:
                self.under_way.discard(job.key)

    async def _intend(self, runs: SandboxRuns, job: Job, tenant: str, backend: Runner, place: str) -> bool:
        reaches_out, limit = job.spec.net != "none", job.spec.limits.time
        hashed = _hash(job)
        intent = Intent(job.key, tenant, hashed, backend.name, place, self.owner, reaches_out, limit)
        return await runs.intend(intent)

    async def _from_record(
        self, runs: SandboxRuns, job: Job, tenant: str, backend: Runner, place: str
    ) -> SandboxResult | Job:
        """A job: it is this process' to run, or to come back to. Nobody else in this process is at it."""
        while True:
            run = await runs.find(job.key)
            if run is None:  # who intended it has withdrawn
                if await self._intend(runs, job, tenant, backend, place):
                    return job
                continue
            if run.spec_hash != _hash(job):
                raise BadArgument(f"the key {job.key} stands for another run. Give each run a key of its own.")
            match run.state:
                case "ended":
                    return SandboxResult.model_validate_json(run.result or "")
                case "in-doubt":
                    raise _doubt(run)
            abandoned = run.owner == self.owner or not run.alive
            if abandoned and await self._is_ours(runs, run, backend, place):
                return replace(job, has_begun=run.state == "started")
            await asyncio.sleep(LOOK_EVERY.total_seconds())

    async def _is_ours(self, runs: SandboxRuns, run: SandboxRun, backend: Runner, place: str) -> bool:
        """Of a run whose owner is gone."""
        reached = backend.comes_back and backend.name == run.backend and place == run.place
        if run.state == "intended" or reached:
            return await runs.take_over(run, self.owner)
        if await runs.doubt(run):
            raise _doubt(run)
        return False

    async def _recorded(self, runs: SandboxRuns, job: Job, backend: Runner, watch: Watch) -> SandboxResult:
        async def starting() -> None:
            if not await runs.start(job.key, self.owner):
                raise Unavailable(f"the sandbox run {job.key} was taken over by another worker.")

        started = replace(job, starting=starting)
        try:
            result = await self._ran(started, backend, watch)
        except asyncio.CancelledError:
            if not self.leaving:
                await asyncio.shield(self._cancelled(runs, job, backend))
            raise
        except Rejected:
            await asyncio.shield(runs.withdraw(job.key, self.owner, started=True))
            raise
        except BaseException:
            await asyncio.shield(runs.withdraw(job.key, self.owner))  # only what was not started
            raise
        await runs.end(job.key, result.model_dump_json())
        await backend.forget(job.key)
        return result

    async def _ran(self, job: Job, backend: Runner, watch: Watch) -> SandboxResult:
        output = Output(job.veil, watch)
        connections = Connections(job.key)
        if isinstance(job.spec.net, str):
            ending = await backend.run(job, output.watch)
        else:
            home = job.workspace
            async with way_out(job.spec.net, job.key, self.private_hosts, connections, self.bounds, home) as gate:
                ending = await backend.run(replace(job, gate=gate), output.watch)
        output.end(ending)
        return await self._result(ending, job, backend, connections.seen)

    async def _cancelled(self, runs: SandboxRuns, job: Job, backend: Runner) -> None:
        """It was killed because somebody wanted that: there is no doubt about it."""
        nothing = Captured()
        ending = Ending("cancelled", None, "SIGKILL", nothing, nothing, {}, 0.0)
        await runs.end(job.key, (await self._result(ending, job, backend)).model_dump_json())
        await backend.forget(job.key)

    async def _result(
        self, ending: Ending, job: Job, backend: Runner, connections: Sequence[Connection] = ()
    ) -> SandboxResult:
        veil = job.veil
        files = [(veil.hide(path), veil.hide_bytes(content)) for path, content in ending.files.items()]
        large = [content for _, content in files if len(content) > INLINE_BYTES]
        if large and self.keep is not None:
            await self.keep(large)
        return SandboxResult(
            ended=ending.ended,
            exit_code=ending.exit_code,
            signal=ending.signal,
            reason=" ".join(filter(None, (told(ending, job.spec), veil.hide(ending.reason)))),
            stdout=_stream(ending.stdout, ending, veil),
            stderr=_stream(ending.stderr, ending, veil),
            files=tuple(_file(*one, inline=self.keep is None) for one in files),
            connections=tuple(SeenConnection(**veil.hidden(asdict(connection))) for connection in connections),
            seconds=round(ending.seconds, 3),
            cpu_seconds=ending.cpu_seconds,
            peak_memory=ending.peak_memory,
            backend=backend.name,
            isolation=job.isolation,
            image=ending.image,
            key=job.key,
        )


async def _nobody() -> tuple[str, ...]:
    return ()


def check(spec: SandboxSpec) -> None:
    found = list(problems(spec))
    if found:
        where = [".".join(map(str, problem.path)) for problem in found]
        said = [
            f"{at + ': ' if at else ''}{problem.said}; {problem.fix}" for at, problem in zip(where, found, strict=True)
        ]
        raise BadSpec("this sandbox cannot be run: " + ". ".join(said) + ".")


def contents(spec: SandboxSpec) -> dict[str, bytes]:
    return {path: _content(path, value) for path, value in spec.files.items()}


def _content(path: str, value: Any) -> bytes:
    match value:
        case str():
            return value.encode()
        case {"base64": str(encoded), **rest} if not rest:
            try:
                return base64.b64decode(encoded, validate=True)
            except ValueError:
                raise BadSpec(f"files.{path}: `base64` holds something else.") from None
    return json.dumps(value, ensure_ascii=False).encode()


def told(ending: Ending, spec: SandboxSpec) -> str:
    """Why it did not end by itself, with the word that changes it."""
    limits = spec.model_dump(mode="json")["limits"]
    match ending.ended:
        case "exit":
            return ""
        case "timeout":
            return f"it was killed after {limits['time']}: give it more with `limits: {{time: …}}`."
        case "memory":
            return f"it wanted more memory than {limits['memory']}: give it more with `limits: {{memory: …}}`."
        case "output":
            return f"it was killed because it did not stop to write; {limits['output']} of each stream are kept."
        case "policy":
            return "it was killed for a system call that no sandbox may make."
        case "signal":
            return f"it was ended by {ending.signal or 'a signal'}."
        case "cancelled":
            return "it was cancelled."
    assert_never(ending.ended)


def _hash(job: Job) -> bytes:
    """Without the values of secrets, which could be guessed by it."""
    said = json.dumps(job.veil.hidden(job.spec.model_dump(mode="json")), sort_keys=True)
    return hashlib.sha256(said.encode()).digest()


def _plain(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _stream(captured: Captured, ending: Ending, veil: Veil) -> Stream:
    text = veil.hide_bytes(captured.kept, is_cut=ending.is_cut(captured)).decode(errors="replace")
    return Stream(text=text, size=captured.size, kept=len(captured.kept))


def _file(path: str, content: bytes, *, inline: bool) -> ResultFile:
    about = {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if len(content) > INLINE_BYTES and not inline:
        return ResultFile(**about)
    try:
        return ResultFile(**about, text=content.decode())
    except UnicodeDecodeError:
        return ResultFile(**about, base64=base64.b64encode(content).decode())


def _doubt(run: SandboxRun) -> InDoubt:
    began = f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC" if run.started_at else "a moment ago"
    return InDoubt(
        f"the sandbox run {run.key} began at {began} on {run.place} ({run.backend}), and its end is not known: its "
        "process was lost. It is not run again by itself, for it may have had effects. Look, and start it under a "
        "new key; or use `isolation: container`, whose runs are come back to."
    )
