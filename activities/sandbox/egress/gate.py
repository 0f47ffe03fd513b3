"""The one way out of a sandbox: a unix socket, behind which an HTTP proxy of ours serves exactly one run.

The sandbox itself has no network and looks up no names. It sees the socket; whoever reaches the socket may reach
what is listed for this run, so it lies in a directory that only this run's sandbox is shown.
"""

import asyncio
from asyncio import StreamReader, StreamWriter, Task
from collections.abc import Iterable
from pathlib import Path
from secrets import token_hex
from types import TracebackType

from ....actors.errors import BadArgument
from ....actors.logger import get_logger
from .dial import CHUNK, Lookups, Resolve
from .meter import Audit, Bounds, Meter
from .proxy import Proxy
from .rules import Rules

SOCKET = "gate.sock"
BACKLOG = 1024  # beyond it, connecting to a unix socket fails at once
LONGEST_PATH = 107  # bytes, of a unix socket
_EVERYONE = 0o666  # the sandbox runs as another user, and connecting takes the right to write

log = get_logger(__name__)


class Gate:
    """`async with Gate(["example.org:443"], directory, audit) as path:` the socket is open."""

    def __init__(
        self,
        net: Iterable[str],
        directory: Path,
        audit: Audit,
        *,
        exempt: Iterable[str] = (),
        bounds: Bounds | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self.path = directory / SOCKET
        if len(bytes(self.path)) > LONGEST_PATH:
            raise BadArgument(f"{self.path} is too long for a unix socket: use a directory with a shorter path.")
        self.meter = Meter(bounds or Bounds())
        self._lookups = Lookups()
        self._proxy = Proxy(Rules.of(net, exempt), self.meter, resolve or self._lookups, audit)
        self._visits: set[Task[None]] = set()

    async def __aenter__(self) -> str:
        made = self.path.with_name(f"{token_hex(2)}.sock")  # as long as the other
        self._server = await asyncio.start_unix_server(self._enter, made, limit=CHUNK, backlog=BACKLOG)
        made.chmod(_EVERYONE)
        self._mark = _mark(made.replace(self.path))
        return str(self.path)

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Every connection is cut and on record."""
        self._server.close()
        if self.path.exists() and _mark(self.path) == self._mark:  # else whoever came back to the run has put his there
            self.path.unlink()
        for visit in self._visits:
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)
        self._lookups.close()

    def _enter(self, reader: StreamReader, writer: StreamWriter) -> None:
        visit = asyncio.ensure_future(self._proxy.serve(reader, writer))
        self._visits.add(visit)
        visit.add_done_callback(self._left)

    def _left(self, visit: Task[None]) -> None:
        self._visits.discard(visit)
        if not visit.cancelled() and (error := visit.exception()) is not None:
            log.error("a connection broke the gate", exc_info=error)


def _mark(path: Path) -> tuple[int, int]:
    """Of one file; the number of its node alone is given again."""
    about = path.stat()
    return about.st_ino, about.st_ctime_ns
