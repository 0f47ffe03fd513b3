"""What one run may use of the network, what it has used, and what is on record of each of its connections."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic

from ....actors.size import format_size
from .rules import Refused

MB = 1 << 20


@dataclass(frozen=True)
class Bounds:
    """Of one run, all its connections together, unless said otherwise."""

    open: int = 64  # connections at once
    connections: int = 10_000
    sent: int = 256 * MB  # out of the sandbox
    received: int = 2_048 * MB
    head: int = 32 << 10  # bytes of a request's line and headers
    head_time: timedelta = timedelta(seconds=10)  # until a request, or a TLS greeting, has come whole
    dial_time: timedelta = timedelta(seconds=15)  # to look up a name and connect
    idle_time: timedelta = timedelta(minutes=2)  # of one connection, in which not a byte moved


@dataclass(frozen=True)
class Connection:
    """For the audit: one connection that code in a sandbox made or tried to make."""

    host: str  # in its one spelling; as it was asked for where it has none; empty: nothing was asked for
    port: int
    address: str | None  # that was dialled
    sent: int
    received: int
    seconds: float
    allowed: bool
    reason: str  # why it was refused, cut or failed; empty: it came to its own end


Audit = Callable[[Connection], None]


@dataclass
class Visit:
    """A connection while it lasts."""

    host: str = ""
    port: int = 0
    address: str | None = None
    sent: int = 0
    received: int = 0
    allowed: bool = False
    reason: str | None = None  # None: it goes on
    began: float = field(default_factory=monotonic)

    def end(self, reason: str) -> None:
        """The first reason counts: what breaks after it does so because of it."""
        if self.reason is None:
            self.reason = reason

    def record(self) -> Connection:
        reason = "The gate broke." if self.reason is None else self.reason
        seconds = monotonic() - self.began
        return Connection(self.host, self.port, self.address, self.sent, self.received, seconds, self.allowed, reason)


class Meter:
    """Counts for one run. Who goes past a bound is refused, and what is open is cut when it next moves a byte."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.connections = 0
        self.open = 0
        self.sent = 0
        self.received = 0

    @contextmanager
    def counted(self) -> Iterator[bool]:
        """While a connection is open. False: so many came before it that it is not even answered."""
        self.connections += 1
        self.open += 1
        try:
            yield self.connections <= self.bounds.connections + 1
        finally:
            self.open -= 1

    def enter(self) -> None:
        if self.connections > self.bounds.connections:
            raise Refused(f"This sandbox has made {self.bounds.connections:,} connections, which is all it may.")
        if self.open > self.bounds.open:
            raise Refused(
                f"This sandbox has {self.bounds.open:,} connections open, which is all it may: close one.", 503
            )
        self._check()

    def sends(self, visit: Visit, size: int) -> None:
        """Before they are sent. Those past the bound are not."""
        self.sent += size
        self._check()
        visit.sent += size

    def receives(self, visit: Visit, size: int) -> None:
        self.received += size
        self._check()
        visit.received += size

    def _check(self) -> None:
        for used, most, words in (
            (self.sent, self.bounds.sent, "sent"),
            (self.received, self.bounds.received, "received"),
        ):
            if used > most:
                raise Refused(f"This sandbox has {words} {format_size(most)}, which is all it may.")
