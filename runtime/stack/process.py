"""Starting and ending the processes of a stack, and finding what a dead supervisor left of one.

Every process of ours dies with its supervisor: the kernel sends it a signal when the parent goes (PDEATHSIG),
and every one carries the stack's mark in its environment, so that grandchildren which outlive both can be found.
"""

import asyncio
import ctypes
import os
import pwd
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import psutil

from ..settings import PREFIX, SECRET_PREFIX, SERVICE_MARK, STACK_MARK

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Command:
    argv: list[str]
    env: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None  # run as this account; only root may say so
    stdin: str = ""  # less than a pipe holds: it is written before anybody reads
    stop: signal.Signals = signal.SIGTERM
    with_parent: signal.Signals = signal.SIGKILL  # what the kernel sends when the supervisor dies
    patience: timedelta = timedelta(seconds=15)


async def spawn(command: Command, *, mark: str, service: str, log: Path) -> asyncio.subprocess.Process:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX) or k.startswith(SECRET_PREFIX)}
    parent = os.getpid()

    def die_with_parent() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, int(command.with_parent), 0, 0, 0)
        if os.getppid() != parent:  # the supervisor died between fork and prctl
            os._exit(1)

    with log.open("ab") as output, _readable(command.stdin) as words:
        return await asyncio.create_subprocess_exec(
            *command.argv,
            env={**inherited, **command.env, STACK_MARK: mark, SERVICE_MARK: service},
            stdin=words,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,
            preexec_fn=die_with_parent,
            user=command.user,
            group=_group(command.user) if command.user else None,
            extra_groups=[] if command.user else None,
        )


@contextmanager
def _readable(text: str) -> Iterator[int]:
    """A descriptor from which a process reads the text, then the end."""
    read, write = os.pipe()
    try:
        os.write(write, text.encode())
        os.close(write)
        yield read
    finally:
        os.close(read)


def _group(user: str) -> int:
    return pwd.getpwnam(user).pw_gid


async def stop(process: asyncio.subprocess.Process, command: Command) -> None:
    """Asks, waits as long as the command deserves, then kills."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.send_signal(command.stop)
        process.send_signal(signal.SIGCONT)  # a stopped process could not answer
    try:
        await asyncio.wait_for(process.wait(), command.patience.total_seconds())
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def marked(mark: str, service: str | None = None) -> list[psutil.Process]:
    """Living processes of the stack (of one service of it), found by the marks in their environment."""
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        if process.pid in spared:
            continue
        with suppress(psutil.Error, OSError):
            environ = process.environ()
            if environ.get(STACK_MARK) == mark and service in (None, environ.get(SERVICE_MARK)):
                found.append(process)
    return found


def postmaster(data: Path) -> list[psutil.Process]:
    """The Postgres server on this data directory: it overwrites its environment, but leaves its pid in a file."""
    with suppress(OSError, ValueError, IndexError, psutil.Error):
        process = psutil.Process(int((data / "postmaster.pid").read_text().splitlines()[0]))
        if str(data) in process.cmdline():
            return [process]
    return []


def sweep(leftovers: Iterable[psutil.Process]) -> int:
    """Ends processes that nobody supervises any more; returns how many there were."""
    victims = list(leftovers)
    for victim in victims:
        _signal(victim, signal.SIGTERM, signal.SIGCONT)
    stubborn = outlasting(victims, timedelta(seconds=5))
    for victim in stubborn:
        _signal(victim, signal.SIGKILL)
    outlasting(stubborn, timedelta(seconds=5))
    return len(victims)


def outlasting(processes: Iterable[psutil.Process], patience: timedelta) -> list[psutil.Process]:
    """Waits for processes that are not our children; returns those that still run afterwards."""
    deadline = time.monotonic() + patience.total_seconds()
    while (running := [process for process in processes if is_alive(process)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return running


def is_alive(process: psutil.Process) -> bool:
    """A zombie is dead: in a container, process 1 may never reap it."""
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _signal(victim: psutil.Process, *numbers: signal.Signals) -> None:
    """Not our child, so its pid may be another process's by now: the descriptor pins whom we looked at."""
    with suppress(psutil.Error, OSError):
        pinned = os.pidfd_open(victim.pid)
        try:
            if victim.is_running():
                for number in numbers:
                    signal.pidfd_send_signal(pinned, number)
        finally:
            os.close(pinned)
