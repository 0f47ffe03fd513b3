"""What all sandboxes have in common: a job goes in, an ending comes out.

The contract, held by `tests/sandbox/contract.py` against each backend: limits are real, nothing of the host can be
seen, the code of one key runs at most once, and whoever cancels `run` leaves nothing running.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from ...actors.errors import Broken, Rejected, Unavailable
from ..secrets import Veil
from .result import Ended
from .spec import Isolation, SandboxSpec

StreamName = Literal["stdout", "stderr"]
Unfinished = Callable[[], Awaitable[Collection[str]]]  # keys on record without an end: somebody may come back to them
Watch = Callable[[StreamName, bytes], None]  # sees output while it comes, as far as it is kept

UNRECORDED = "once/"  # begins the keys of runs that are on no record, and that nobody comes back to

MOST_COLLECTED_BYTES = 16 << 20
MOST_COLLECTED_FILES = 1_000
# Of what is thrown away, as a multiple of what is kept: who writes more is ended, it will not stop by itself.
FLOOD = 32


def unwatched(stream: StreamName, chunk: bytes) -> None:
    """Nobody looks."""


async def nothing() -> None:
    """There is no record to be kept."""


class InDoubt(Broken):
    """It is unknown whether the code ran to its end: its machine or its process was lost. It is not run again."""


class BadSpec(Rejected):
    """What was asked for contradicts itself or cannot be had here. Nothing of the code has run."""


class NoSandbox(Unavailable):
    """The wanted isolation cannot be had here, now."""

    may_have_begun = False  # unless the engine went away in the middle


@dataclass(frozen=True)
class Job:
    """A spec without problems, ready to be run."""

    key: str
    spec: SandboxSpec
    isolation: Isolation
    files: Mapping[str, bytes] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)  # secrets included
    veil: Veil = field(default_factory=Veil)  # over all that comes out of it
    gate: str | None = None  # path of the unix socket that leads to the egress proxy; None: no network
    workspace: str | None = None  # the id of the one that it is a command in
    starting: Callable[[], Awaitable[None]] = nothing  # awaited right before the code may begin; raises to prevent it
    has_begun: bool = False  # by its record: then it is come back to, and what is not there any more is in doubt


@dataclass(frozen=True)
class Captured:
    kept: bytes = b""
    size: int = 0


@dataclass(frozen=True)
class Ending:
    ended: Ended
    exit_code: int | None
    signal: str | None
    stdout: Captured
    stderr: Captured
    files: Mapping[str, bytes]
    seconds: float
    reason: str = ""
    cpu_seconds: float | None = None
    peak_memory: int | None = None
    image: str | None = None

    def is_cut(self, captured: Captured) -> bool:
        """Whether it may end in the middle of a word that the code meant to write."""
        return self.ended != "exit" or len(captured.kept) < captured.size


class Runner(Protocol):
    """What runs jobs by key."""

    name: str
    # Whether `run` with the key of a run in flight, or ended and not yet forgotten, comes back to it, from any process
    # that reaches the same engine. Else such a run is in doubt.
    comes_back: bool

    async def place(self) -> str:
        """What has the runs: a key that began in one place is not looked for in another."""
        ...

    async def run(self, job: Job, watch: Watch) -> Ending:
        """Until its end. Cancelled: kills it within 2 s and removes what is left of it, unless `leave` was said.

        Raises Rejected when its code has not run and cannot.
        """
        ...

    async def forget(self, key: str) -> None:
        """Its ending is on record: what is left of it goes."""
        ...


class Backend(Runner, Protocol):
    async def refusal(self, spec: SandboxSpec, isolation: Isolation) -> str | None:
        """Why it cannot run this, in one sentence with the remedy; None when it can. Starts nothing."""
        ...

    def leave(self) -> None:
        """This process is about to end: from now on, what can be come back to is left running when it is cancelled."""
        ...

    async def end(self, key: str, place: str) -> bool:
        """Ends the run, whoever began it, with all that it has made. False: it is not known to be gone."""
        ...

    async def reap(self, unfinished: Unfinished | None = None) -> int:
        """Removes what processes of ours left behind when they were killed. How much it was."""
        ...

    async def close(self) -> None:
        """Lets go of what this process holds, and removes what would outlive it and is in nobody's record."""
        ...
