"""What the delivery core needs from a store: Postgres in life, a dictionary in the simulation.

Every write names the shard and the epoch under which it is made, and is refused when the epoch is not the newest one
at the moment of the commit. That is the fence: a host that lost a shard without knowing it can write nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

from .address import AgentAddress
from .envelope import Envelope, Replied
from .errors import IdTaken
from .fullness import Bound
from .marks import Mark
from .reminders import Reminder
from .shards import Shard, View
from .turn import Effects


class Held(NamedTuple):
    """A shard under the epoch at which a host got it."""

    id: int
    epoch: int


class LeaseLost(Exception):
    """The store does not know this host any more: it was thought dead. It must end and begin as another one."""


@dataclass(frozen=True, slots=True)
class HostRecord:
    id: UUID
    name: str
    pool: str
    address: str
    node: str
    pid: int
    version: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An agent as stored. `version` is the number of its turns, 0 for one that never had a turn."""

    state: str | None
    state_version: int
    version: int
    quarantined: str | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A told message on its way into the recipient's mailbox."""

    held: Held
    address: AgentAddress
    envelope: Envelope
    in_memory: bool  # whether the host will keep it in memory too, so that it need not be collected
    bounds: tuple[int, int] | None = None  # rows and bytes to check in the store; None: checked already


@dataclass(frozen=True, slots=True)
class Arrived:
    """In the mailbox, now or before; or handled before, or buried."""

    new: bool


@dataclass(frozen=True, slots=True)
class Fenced:
    """The epoch is not the newest one. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Full:
    """A mailbox has no room. Nothing was written."""

    recipient: str
    bound: Bound = "rows"


@dataclass(frozen=True, slots=True)
class Collected:
    """A row of a mailbox."""

    held: Held  # as it was when the row was taken: under another epoch the row counts as taken by nobody
    envelope: Envelope
    address: AgentAddress
    attempts: int
    suspect: bool  # a host died while it had this row in memory
    due: datetime | None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row of a mailbox whose envelope is none: a hand or a rival's code wrote it."""

    held: Held
    address: AgentAddress
    message: UUID
    attempts: int
    error: str


@dataclass(frozen=True, slots=True)
class Beginning:
    """A suspect's turn that begins: if its host dies now, it was maybe because of this message."""

    held: Held
    address: AgentAddress
    message: UUID


@dataclass(slots=True)
class Handled:
    """One message's turn, as it will be committed."""

    envelope: Envelope
    stored: bool
    reply: Replied
    effects: Effects | None = None
    joined: Sequence[tuple[Envelope, bool]] = ()  # equal messages that share the reply


@dataclass(slots=True)
class Advance:
    """Turns of one agent that follow each other: all of them are committed, or none."""

    address: AgentAddress
    held: Held
    expected: int  # the version before the first of them
    state: str
    state_version: int
    handled: list[Handled] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Committed:
    woken: frozenset[int] = frozenset()  # shards into whose mailboxes something was put


@dataclass(frozen=True, slots=True)
class Superseded:
    """The agent is not at the expected version any more, or the reminder not where it was. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Some of the messages were handled before: these are their marks. Nothing was written."""

    marks: Mapping[UUID, Mark]


@dataclass(frozen=True, slots=True)
class Fired:
    """The ticks are in the mailbox, and the reminder has moved on."""


CommitOutcome = Committed | Superseded | Fenced | Full | Duplicate
AcceptOutcome = Arrived | Fenced | Full | IdTaken
FireOutcome = Fired | Superseded | Full


@dataclass(frozen=True, slots=True)
class DueReminder:
    held: Held
    address: AgentAddress
    reminder: Reminder


class Store(Protocol):
    """Methods raise DatabaseLost when it is not known whether they happened."""

    async def enrol(self, host: HostRecord, lease: timedelta) -> None: ...

    async def renew(self, host: UUID, lease: timedelta, waiting: Mapping[str, tuple[int, int]]) -> View:
        """Raises LeaseLost. `waiting` are rows and bytes in memory by tenant."""
        ...

    async def drain(self, host: UUID) -> None: ...

    async def retire(self, host: UUID) -> None: ...

    async def claim(self, host: UUID, shards: Sequence[Shard], living: Sequence[UUID]) -> list[Held]:
        """Those that none of the living has, each under a new epoch."""
        ...

    async def release(self, host: UUID, held: Sequence[Held]) -> None: ...

    async def dissolve(self, pool: str) -> bool:
        """Brings the agents of a kind without hosts of its own back into the shared pool. False if it still has some,
        or had a moment ago, or is back already.

        All holds on shards end with it, as they do when the first host of a kind's own pool enrols.
        """
        ...

    async def load(self, agents: Sequence[AgentAddress]) -> list[Snapshot]: ...

    async def journal(self, agent: AgentAddress, first: int, last: int) -> Sequence[str]:
        """The entries from one number to another, in their order. Those that are not there are left out."""
        ...

    async def marks(self, asked: Sequence[tuple[AgentAddress, UUID]]) -> list[Mark | None]:
        """Of those that were handled. Mailbox rows that are left of these are swept out."""
        ...

    async def accept(self, host: UUID, arrivals: Sequence[Arrival]) -> list[AcceptOutcome]: ...

    async def commit(self, host: UUID, advances: Sequence[Advance]) -> list[CommitOutcome]: ...

    async def collect(
        self,
        host: UUID,
        held: Sequence[Held],
        most: int,
        only: Sequence[AgentAddress] | None = None,
        but: Sequence[AgentAddress] = (),
    ) -> Sequence[Collected | Unreadable]:
        """Rows that no host has in memory under these epochs, the oldest first; from now on this one has them.

        `only` those of some agents, if given, and none `but` of some. Mail of agents in quarantine stays where it is.
        """
        ...

    async def taken_within(self, time: timedelta, asked: Sequence[tuple[str, str]]) -> list[bool]:
        """Of kinds with types of messages: whether a host has said within the time that it takes these."""
        ...

    async def begin(self, host: UUID, turns: Sequence[Beginning]) -> list[bool]:
        """Writes down that these turns begin. False for those that are fenced."""
        ...

    async def postpone(
        self,
        host: UUID,
        held: Held,
        address: AgentAddress,
        message: UUID,
        attempts: int,
        error: str,
        pause: timedelta,
    ) -> bool:
        """Counts an attempt that failed. False when fenced."""
        ...

    async def bury(
        self,
        host: UUID,
        held: Held,
        address: AgentAddress,
        message: UUID,
        attempts: int,
        error: str,
        *,
        quarantine: bool,
        tell: tuple[int, AgentAddress, Envelope] | None,
    ) -> bool:
        """Moves a message to the dead letters; in the same commit sets the agent aside and tells its supervisor."""
        ...

    async def due(self, held: Sequence[Held], now: datetime, most: int) -> tuple[list[DueReminder], datetime | None]:
        """Reminders whose time has come, and the time of the next one."""
        ...

    async def fire(
        self,
        host: UUID,
        due: DueReminder,
        ticks: Sequence[Envelope],
        next_due: datetime | None,
        bounds: tuple[int, int],
    ) -> FireOutcome:
        """Puts the ticks into the mailbox, if it has room for one, and moves the reminder on.

        Superseded when fenced or moved on already.
        """
        ...
