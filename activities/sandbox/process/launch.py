"""Starts bubblewrap and stands between it and the program: nothing runs before its limits hold.

On the way to bubblewrap the new process joins its control group and becomes its user, by programs that do just that.
Were Python to do it, it would have to fork, which costs the more the larger this process is.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..backend import BadSpec, Job, NoSandbox
from ..egress.inside import environment, forwarder
from ..patience import patience
from ..program import program
from ..way_out import hand_over
from . import seccomp
from .cgroup import Group
from .profile import arguments, command, through_gate, waiting, way_out

_SLOW = "The process sandbox did not start in time: this machine may be too busy. Try again."
STARTING_SECONDS = 10
NO_START = "the process sandbox cannot start: {}. See `resprout doctor`; or use a Docker engine for sandboxes."


@dataclass(frozen=True)
class Inside:
    """A sandbox that waits for its files."""

    process: asyncio.subprocess.Process
    init: int  # pid, seen from outside, of the first process inside: with it all others end
    kill: Callable[[], None]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def start(self) -> None:
        self.writer.write(b"go\n")
        await self.writer.drain()

    async def exit_code(self) -> int | None:
        """Of the program; None when the shell that waits for it was killed."""
        said = await self.reader.readline()
        return int(said) if said.strip().isdigit() else None


@asynccontextmanager
async def launched(bwrap: int, job: Job, uid: int | None, group: Group | None) -> AsyncIterator[Inside]:
    """Everything in it is dead at the end."""
    async with AsyncExitStack() as stack:
        if job.gate is not None and uid is not None:
            hand_over(job.gate, uid)
        files = stack.enter_context(_files(job))
        ours, theirs = socket.socketpair()
        info_out, info_in = os.pipe()
        block_out, block_in = os.pipe()
        stack.callback(ours.close)
        stack.callback(os.close, block_in)
        handed = [*files.values(), info_in, block_out, bwrap]
        told = ["--args", str(files["arguments"]), "--info-fd", str(info_in), "--block-fd", str(block_out)]
        inner = ["/bin/sh", "-c", waiting(job.spec, alone=group is None), "sh", *_words(job)]
        binary = f"/proc/self/fd/{bwrap}"  # its folder may be closed to the user that it runs as
        words = _as(uid, [binary, *told, "--seccomp", str(files["seccomp"]), "--", *inner])
        try:
            process = await asyncio.create_subprocess_exec(
                *(words if group is None else group.joined(words)),
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=handed,
                env={},
                cwd="/",
            )
        except OSError as error:
            raise NoSandbox(NO_START.format(error.strerror)) from None
        finally:
            theirs.close()
            os.close(info_in)
            os.close(block_out)
        stack.push_async_callback(process.wait)
        try:
            stack.enter_context(_killing(process.pid))
        except ProcessLookupError:  # it has ended already
            raise NoSandbox(NO_START.format(await _complaint(process))) from None
        async with patience(STARTING_SECONDS, _SLOW):
            init = await _first_inside(info_out, process)
            try:
                kill = stack.enter_context(_killing(init))
                os.write(block_in, b"x")
            except (ProcessLookupError, BrokenPipeError):  # it has ended already
                raise NoSandbox(NO_START.format(await _complaint(process))) from None
            reader, writer = await asyncio.open_connection(sock=ours)
            stack.callback(writer.close)
            if await reader.readline() != b"ready\n":
                raise NoSandbox(NO_START.format(await _complaint(process)))
        yield Inside(process, init, kill, reader, writer)


def _words(job: Job) -> list[str]:
    words = command(job.spec, program(job.spec).words)
    return through_gate(Path(job.gate), words) if job.gate is not None else words


@contextmanager
def _files(job: Job) -> Iterator[dict[str, int]]:
    """What bubblewrap reads from file descriptors: nothing of it can be seen in a list of processes."""
    filters = seccomp.program()
    if filters is None:
        raise NoSandbox(NO_START.format("its filter of system calls is not known for this machine"))
    stdin = _in_memory("stdin", (job.spec.stdin or "").encode())
    files = {"stdin": stdin, "seccomp": _in_memory("seccomp", filters)}
    env, extra = job.env, []
    try:
        if job.gate is not None:
            files["forwarder"] = _in_memory("forwarder", forwarder().encode())
            env, extra = environment() | dict(env), way_out(Path(job.gate), files["forwarder"])
        words = arguments(job.spec, env, stdin, extra)
        files["arguments"] = _in_memory("arguments", b"".join(map(_argument, words)))
        yield files
    finally:
        for file in files.values():
            os.close(file)


def _argument(word: str) -> bytes:
    """A NUL would begin another argument, and bubblewrap's arguments are the walls of the sandbox."""
    if "\0" in word:
        raise BadSpec("a word of this sandbox holds the character NUL: leave that out.")
    return os.fsencode(word) + b"\0"


def _in_memory(name: str, content: bytes) -> int:
    file = os.memfd_create(name)
    with os.fdopen(os.dup(file), "wb") as stream:
        stream.write(content)
    os.lseek(file, 0, os.SEEK_SET)
    return file


def setpriv() -> str | None:
    return shutil.which("setpriv", path="/usr/bin:/bin")


def _as(uid: int | None, words: Sequence[str]) -> list[str]:
    if uid is None:
        return list(words)
    return [str(setpriv()), f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--", *words]


async def _first_inside(info: int, process: asyncio.subprocess.Process) -> int:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(info, "rb")
    )
    try:
        said = await reader.read()
    finally:
        transport.close()
    if not said:
        raise NoSandbox(NO_START.format(await _complaint(process)))
    return int(json.loads(said)["child-pid"])


async def _complaint(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    return (await process.stderr.read(2_000)).decode(errors="replace").strip() or "bubblewrap ended at once"


@contextmanager
def _killing(pid: int) -> Iterator[Callable[[], None]]:
    """By a handle on the process: its number may be somebody else's in a moment."""
    handle = os.pidfd_open(pid)

    def kill() -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)

    try:
        yield kill
    finally:
        kill()
        os.close(handle)
