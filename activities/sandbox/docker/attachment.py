"""One controller at one container: it sends the input, hands on what the job writes, and brings the results home.

All of them may come and go: the container elects who starts the job, the others follow it from its beginning.
"""

import asyncio
from collections.abc import Callable, Iterator
from importlib.resources import files
from secrets import token_hex

from ..backend import StreamName, Watch
from .engine import Engine
from .frames import frames
from .shape import JOB_USER

_RUNNER = (files(__package__) / "runner.sh").read_text()

# Beyond the job's own time: until its container has ended it, and until its results are here.
STARTING = 10.0
BRINGING = 30.0


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


def _runs(word: str) -> list[str]:
    return ["/bin/sh", "-c", _RUNNER, "runner", word]


class Attachment:
    def __init__(
        self, engine: Engine, container: str, witness: Witness, command: Callable[[str], list[str]] = _runs
    ) -> None:
        """`command` is what is executed, given the word that divides output from results."""
        self._engine = engine
        self._container = container
        self._witness = witness
        self._command = command

    async def results(self, parcel: bytes, seconds: float, budget: int) -> bytes | None:
        """A tar of at most so many bytes; None when the container, or the process in it, ended before there were any.

        Raises TimeoutError when the container did not end the job in time.
        """
        word = token_hex(16)
        command = self._command(word)
        created = await self._engine.call(
            lambda api: api.exec_create(self._container, command, stdin=True, user=JOB_USER)
        )
        reader, writer = await self._engine.execute(created["Id"])
        try:
            writer.write(parcel)
            writer.write_eof()
            return await self._read(reader, _Divider(word.encode()), seconds, budget)
        finally:
            writer.close()

    async def _read(
        self, reader: asyncio.StreamReader, divider: "_Divider", seconds: float, budget: int
    ) -> bytes | None:
        self._witness.begin()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(seconds + STARTING) as limit:
            async for name, piece in frames(reader):
                if name == "stderr":
                    self._witness.see(name, piece)
                    continue
                was_over = divider.is_over
                for output in divider.feed(piece):
                    self._witness.see(name, output)
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
