"""Runs commands in the container of a workspace, each key once however many controllers try and die.

Inside, the first runner whose input is whole starts the command, and everyone else follows it: `command.sh`. What it
started ends with it, and with its time; the other commands go on. A command that cannot be ended costs all that run
there, and at worst the workspace, but never its limits.
"""

import asyncio
import fcntl
import io
import os
import tarfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from shlex import quote
from typing import IO

from ....actors.errors import Rejected
from ..backend import Ending, InDoubt, Job, NoSandbox, Watch
from ..egress.inside import environment
from ..program import program
from ..selection import Selection
from ..way_out import hand_over, home_of
from ..workspace import LeftRunning, Workspace, WorkspaceBusy, WorkspacePaused
from .attachment import Attachment, Witness
from .containers import Containers
from .endings import broken_off, ending
from .engine import Gone, NameTaken
from .harvest import harvest
from .names import workspace_name
from .parcel import forwarder
from .pipes import answers, piped
from .shape import BLOCK, GATE, JOB_UID, JOB_USER, flood
from .workspaces import DockerWorkspaces, executed

ATTEMPTS = 5
ENDING = timedelta(seconds=10)
LOOK_EVERY = 0.05
MOST_GIVEN = 4 << 20  # bytes of a command: its code, its input, its environment
_SLACK = 1 << 20
_IS_GONE = b"gone"  # of `command.sh`, to who brings no input
_PORTS = range(20_000, 30_000)


@dataclass
class Commands:
    """As `Runner` says it."""

    home: DockerWorkspaces
    workspace: Workspace
    is_keyed: bool
    is_left: bool = False  # begun, and not waited for
    name = "docker"
    comes_back = True

    async def place(self) -> str:
        return str((await self.home.engine.facts())["ID"])

    async def run(self, job: Job, watch: Watch) -> Ending:
        image, witness = await self.home.image(self.workspace.id), Witness(watch, job.spec.limits.output)
        if job.gate is not None:
            hand_over(job.gate, JOB_UID)
        # Who looked after it before may have put it on record and removed its traces since: it is not begun anew.
        given = b"" if job.has_begun else _given(job, _mark(job.key), self.is_keyed)
        async with self._turn():
            return await self._run(job, given, image, witness)

    async def _run(self, job: Job, given: bytes, image: str, witness: Witness) -> Ending:
        await job.starting()
        try:
            if self.is_left:
                await self._begin(job, given)
                raise LeftRunning(f"the command {job.key} goes on.")
            return await self._attend(job, given, image, witness)
        except (asyncio.CancelledError, Rejected):
            await asyncio.shield(self.end(job.key))
            raise

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Debian's gVisor ends as a whole when two commands of one workspace end at once: there it is one at a time.

        Among all processes of this user: a lock of a file goes with who holds it, however that one ends.
        """
        if self.workspace.isolation != "gvisor":
            yield
            return
        path = home_of(str(self.workspace.id)) / "turn"
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)) as file:
            while True:
                if _locked(file):
                    break
                await asyncio.sleep(LOOK_EVERY)  # nothing tells when
            yield

    async def forget(self, key: str) -> None:
        if self.is_keyed:  # else it has removed its traces itself
            await self._execute(key, "forget")

    async def _attend(self, job: Job, given: bytes, image: str, witness: Witness) -> Ending:
        started, limits = time.monotonic(), job.spec.limits
        container = workspace_name(self.workspace.id)
        for _ in range(ATTEMPTS):
            left = limits.time.total_seconds() - (time.monotonic() - started)
            try:
                attachment = await Attachment.open(self.home.engine, container, lambda word: self._words(job, word))
                look = partial(self._check_there, job) if self.workspace.isolation == "gvisor" else None
                found = await attachment.results(witness, given, max(0.0, left), 2 * limits.output + _SLACK, look)
            except TimeoutError:
                await self._check_alive(job)
                await self.end(job.key)
                return broken_off(image, "timeout", time.monotonic() - started, witness)
            except (Gone, NameTaken):
                found = None
            if found == _IS_GONE:
                raise InDoubt(
                    f"the command {job.key} began, and {self.workspace.name} does not know it any more: who looked "
                    "after it has its end on record, or did not live to send it. Look, and begin it under a new key."
                )
            if found is not None and (known := self._ending(job, image, found, witness)) is not None:
                return known
            await self._check_alive(job)
            if found is not None or witness.seen["stdout"] or witness.seen["stderr"]:
                await self.end(job.key)  # it ended who watched over it
                return broken_off(image, "signal", time.monotonic() - started, witness)
        raise InDoubt(f"The command {job.key} ends whoever comes to it: see what runs in {self.workspace.name}.")

    def _words(self, job: Job, word: str) -> list[str]:
        limits = job.spec.limits
        captured = (str(-(-limits.output // BLOCK)), str(flood(limits.output)))
        return executed(self.workspace.isolation, (_mark(job.key), word, *captured))

    async def _begin(self, job: Job, given: bytes) -> None:
        """Returns when it has begun: from then on it needs nobody."""
        container, words = workspace_name(self.workspace.id), self._words(job, "-")
        created = await self.home.engine.call(lambda api: api.exec_create(container, words, stdin=True, user=JOB_USER))
        _, writer = await self.home.engine.execute(created["Id"])
        try:
            writer.write(b"go\n" + given)
            writer.write_eof()
            begun = f"until [ -e /run/commands/{_mark(job.key)}/stderr ]; do sleep 0.05; done"
            async with piped(self.home.engine, container, ["/bin/sh", "-c", begun], ENDING) as pipe:
                async for _ in pipe.output():
                    pass
                if await pipe.code() != 0:
                    raise WorkspaceBusy(f"{job.key} did not begin: see what runs in {self.workspace.name}.")
        finally:
            writer.close()

    def _ending(self, job: Job, image: str, found: bytes, witness: Witness) -> Ending | None:
        harvested = harvest(found, Selection(()))
        end = harvested.kept.get("job/end", b"")
        if end.startswith(b"busy"):
            raise WorkspaceBusy(f"as many commands run in {self.workspace.name} as may: try again when one has ended.")
        return ending(job, image, harvested, witness) if len(end.splitlines()) > 1 else None

    async def _check_alive(self, job: Job) -> None:
        await self._check_there(job)
        if await self.home.state(self.workspace.id) == "paused":
            raise WorkspacePaused(
                f"the workspace {self.workspace.name} was paused while {job.key} began: resume it, and try again."
            )

    async def _check_there(self, job: Job) -> None:
        if await self._is_lost():
            raise InDoubt(
                f"the workspace {self.workspace.name} was lost while {job.key} ran: its container has ended, "
                "perhaps for want of memory. Remove it, and create it with more `limits.memory`."
            )

    async def _is_lost(self) -> bool:
        """gVisor may end as a whole when memory runs out, and the engine learns of it late or never."""
        name, state = workspace_name(self.workspace.id), await self.home.state(self.workspace.id)
        if state != "running" or self.workspace.isolation != "gvisor":
            return state == "lost"
        engine = self.home.engine
        return (await Containers(engine).state(name))["OOMKilled"] and not await answers(engine, name)

    async def end(self, key: str) -> None:
        """With all that it started. What cannot be ended in some way is ended with its container."""
        for _ in range(3):
            try:
                async with asyncio.timeout(ENDING.total_seconds()):
                    if await self._execute(key, "sweep") == 0:
                        return
            except (Gone, NameTaken, TimeoutError):
                if await self.home.state(self.workspace.id) != "running":
                    return
        await Containers(self.home.engine).kill(workspace_name(self.workspace.id))

    async def _execute(self, key: str, mode: str) -> int:
        words = executed(self.workspace.isolation, (_mark(key), mode, "0", "0"))
        try:
            async with piped(self.home.engine, workspace_name(self.workspace.id), words, ENDING) as pipe:
                async for _ in pipe.output():
                    pass
                return await pipe.code()
        except NoSandbox:
            if await self.home.state(self.workspace.id) == "running":
                raise
            return 0


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _mark(key: str) -> str:
    return sha256(key.encode()).hexdigest()[:24]


def _given(job: Job, mark: str, is_keyed: bool) -> bytes:
    started = program(job.spec, f"-{mark}")
    size = len((job.spec.stdin or "").encode()) + sum(len(content) for content in started.files.values())
    if size > MOST_GIVEN:
        raise Rejected(f"a command is given {MOST_GIVEN >> 20} MB of code and input at most: copy a file in instead.")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        _add(tar, "job/stdin", (job.spec.stdin or "").encode())
        _add(tar, "job/launch", "\n".join(_launch(job, started.words, mark, list(started.files))).encode())
        for content in started.files.values():  # one at most
            _add(tar, "job/code", content)
        _add(tar, "job/after", "".join(f"rm -f -- {quote('/work/' + path)}\n" for path in started.files).encode())
        if not is_keyed:
            _add(tar, "job/unkeyed", b"")
        _add(tar, "job/whole", b"")  # last: what is cut before it was not given
    return packed.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _launch(job: Job, words: tuple[str, ...], mark: str, code: list[str]) -> Iterator[str]:
    start = quote(f"/work/{job.spec.cwd}")
    yield f"mkdir -p -- {start} && cd -- {start} || exit 126"
    for path in code:
        yield f"cp /run/commands/{mark}/job/code {quote('/work/' + path)} || exit 126"
    variables = dict(job.env)
    if job.gate is not None:
        gate = Path(job.gate)
        port = _PORTS.start + int(mark, 16) % len(_PORTS)  # one for each: they have one loopback
        yield forwarder(f"{GATE}/{gate.parent.name}/{gate.name}", port)
        variables = {**environment(port), **variables}
    settings = " ".join(quote(f"{name}={value}") for name, value in variables.items())
    seconds = job.spec.limits.time.total_seconds()
    yield f"exec timeout -s KILL {seconds:.3f} env -- {settings} {' '.join(quote(word) for word in words)}"
