"""One controller at one container: it sends the input, hands on what the job writes, and brings the results home.

All of them may come and go: the container elects who starts the job, the others follow it from its beginning. Nobody is
elected before his input comes, so who waits with a runner of his own in a container takes nothing from anybody.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from importlib.resources import files
from secrets import token_hex
from typing import Any

from ....actors.logger import get_logger
from ..backend import NoSandbox, StreamName, Watch
from .engine import Engine, Gone
from .frames import frames
from .shape import JOB_USER

RUNNER = (files(__package__) / "runner.sh").read_text()

# Beyond the job's own time: until its container has ended it, and until its results are here.
STARTING = 10.0
BRINGING = 30.0
LOOK_EVERY = 2.0  # at a container of which the engine does not tell that it has ended

Look = Callable[[], Awaitable[None]]

log = get_logger("resprout.sandbox")


class Witness:
    """What was seen of the output, over several attachments: each begins at the beginning, `watch` sees all once."""

    def __init__(self, watch: Watch, limit: int) -> None:
        self._watch = watch
        self._limit = limit
        self._position: dict[StreamName, int] = {}
        self.seen: dict[StreamName, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}

    def begin(self) -> None:
        self._position = {"stdout": 0, "stderr": 0}

    def see(self, name: StreamName, piece: bytes) -> None:
        known = len(self.seen[name])
        fresh = piece[max(0, known - self._position[name]) :][: self._limit - known]
        self._position[name] += len(piece)
        if fresh:
            self.seen[name] += fresh
            self._watch(name, fresh)

    def complete(self, name: StreamName, whole: bytes) -> None:
        """The kept output as the container brought it: nobody waited for the last of it to be streamed."""
        self._position[name] = 0
        self.see(name, whole)


async def watched(reading: Coroutine[Any, Any, bytes | None], look: Look) -> bytes | None:
    """What is here counts, whatever is seen meanwhile."""
    task, looking = asyncio.ensure_future(reading), asyncio.ensure_future(_look_on(look))
    try:
        await asyncio.wait({task, looking}, return_when=asyncio.FIRST_COMPLETED)
        return await (task if task.done() else looking)
    finally:
        task.cancel()
        looking.cancel()
        await asyncio.gather(task, looking, return_exceptions=True)


async def _look_on(look: Look) -> None:
    while True:
        await asyncio.sleep(LOOK_EVERY)
        try:
            await look()
        except Gone:
            raise
        except NoSandbox:
            log.debug("the engine did not tell how a container is")  # if it is away, the stream ends


def _runner(word: str) -> list[str]:
    return ["/bin/sh", "-c", RUNNER, "runner", word]


class Attachment:
    """A runner in a container, which waits for its input, and the connection to it."""

    def __init__(self, word: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._word = word
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(
        cls, engine: Engine, container: str, command_of: Callable[[str], list[str]] = _runner
    ) -> "Attachment":
        """`command_of` gives what is executed, for the word that divides output from results."""
        word = token_hex(16)
        command = command_of(word)
        created = await engine.call(lambda api: api.exec_create(container, command, stdin=True, user=JOB_USER))
        return cls(word.encode(), *await engine.execute(created["Id"]))

    async def results(
        self, witness: Witness, parcel: bytes, seconds: float, budget: int, look: Look | None = None
    ) -> bytes | None:
        """A tar of at most so many bytes; None when the container, or the process in it, ended before there were any.

        Raises TimeoutError when the container did not end the job in time. `look` raises something when the container
        has ended and the engine would not tell; where the engine does not answer it, it is asked again.
        """
        try:
            self._writer.write(b"go\n" + parcel)
            self._writer.write_eof()
            reading = self._read(witness, seconds, budget)
            return await (reading if look is None else watched(reading, look))
        finally:
            self.close()

    async def is_over(self) -> bool:
        """Whether its runner has ended, or the engine has hung up: one that waits for its input says nothing."""
        try:
            async with asyncio.timeout(0):
                await self._reader.read(1)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        self._writer.close()

    async def _read(self, witness: Witness, seconds: float, budget: int) -> bytes | None:
        witness.begin()
        divider = _Divider(self._word)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(seconds + STARTING) as limit:
            async for name, piece in frames(self._reader):
                if name == "stderr":
                    witness.see(name, piece)
                    continue
                was_over = divider.is_over
                for output in divider.feed(piece):
                    witness.see(name, output)
                if divider.is_over and not was_over:
                    limit.reschedule(loop.time() + BRINGING)
                if len(divider.rest) > budget:
                    break
        return bytes(divider.rest[:budget]) if divider.is_over else None


class _Divider:
    """Divides a stream at a word. Only what may be the beginning of the word is held back."""

    def __init__(self, word: bytes) -> None:
        self._word = word
        self._held = b""
        self.is_over = False
        self.rest = bytearray()

    def feed(self, piece: bytes) -> Iterator[bytes]:
        if self.is_over:
            self.rest += piece
            return
        before, found, after = (self._held + piece).partition(self._word)
        if found:
            self.is_over, self._held = True, b""
            self.rest += after
        else:
            held = self._beginning(before)
            before, self._held = before[: len(before) - held], before[len(before) - held :]
        if before:
            yield before

    def _beginning(self, text: bytes) -> int:
        longest = min(len(self._word) - 1, len(text))
        return next((size for size in range(longest, 0, -1) if text.endswith(self._word[:size])), 0)
