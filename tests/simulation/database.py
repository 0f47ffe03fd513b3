"""The tables, as dictionaries, and what the invariants want to know of their past.

One call of the store works on them at one moment: between two of these nothing is half done, as with transactions.
The switches take away one guard each, for the negative controls.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from resprout.actors.address import AgentAddress
from resprout.actors.envelope import Envelope
from resprout.actors.marks import Mark
from resprout.actors.reminders import Reminder
from resprout.actors.shards import SHARED, Shard, shard_of, slot_of
from resprout.actors.store import Held, HostRecord

BEGAN = datetime(2030, 1, 1, tzinfo=UTC)

Message = tuple[AgentAddress, UUID]


@dataclass(frozen=True)
class Switches:
    """False takes the guard away."""

    epochs: bool = True  # writes are bound to the newest epoch
    marks: bool = True  # handled messages are marked
    versions: bool = True  # a commit names the version that it builds on
    outbox: bool = True  # what a turn sends is in its commit


@dataclass
class HostRow:
    record: HostRecord
    lease_until: datetime
    draining: bool = False
    session: bool = True  # ends the moment the process is killed
    waiting: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass
class Row:
    """Of the mailbox."""

    address: AgentAddress
    envelope: Envelope
    shard: int
    in_memory: bool
    attempts: int = 0
    error: str = ""
    due: datetime | None = None
    suspect: bool = False
    began: bool = False


@dataclass(frozen=True)
class Stored:
    """An agent."""

    state: str
    state_version: int
    version: int


@dataclass(frozen=True)
class Write:
    """Something that was written under an epoch."""

    what: str
    shard: int
    epoch: int
    newest: int


class SimDatabase:
    def __init__(self, agents: list[AgentAddress], switches: Switches) -> None:
        """Has only those shards in which there are agents: a view of 128 takes longer to read than a schedule."""
        self.switches = switches
        self.seconds = 0.0
        slots = sorted({slot_of(agent) for agent in agents})
        self.shards = {number: Shard(number, SHARED, slot, 0, None) for number, slot in enumerate(slots, 1)}
        self.homes = {(shard.pool, shard.slot): shard.id for shard in self.shards.values()}
        self.hosts: dict[UUID, HostRow] = {}
        self.agents: dict[AgentAddress, Stored] = {}
        self.handled: dict[Message, Mark] = {}
        self.mailbox: dict[Message, Row] = {}  # in the order in which they came
        self.dead: dict[Message, Row] = {}
        self.quarantined: dict[AgentAddress, str] = {}
        self.reminders: dict[tuple[AgentAddress, str], Reminder] = {}
        self.subscriptions: dict[str, list[AgentAddress]] = {}
        self.journals: dict[AgentAddress, dict[int, str]] = {}
        self.down = False
        # The past.
        self.writes: list[Write] = []
        self.epochs: list[tuple[int, int]] = []  # shard and epoch, as they were handed out
        self.turns: dict[AgentAddress, int] = {}
        self.promised: list[Message] = []  # told in a turn that was committed
        self.reminders_set: list[tuple[AgentAddress, Reminder]] = []
        self.most_rows: dict[AgentAddress, int] = {}

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.seconds)

    def shard_of(self, address: AgentAddress) -> int:
        home = shard_of(address, self.homes)
        assert home is not None
        return home

    def open_pool(self, pool: str) -> None:
        if any(shard.pool == pool for shard in self.shards.values()):
            return
        slots = [shard.slot for shard in self.shards.values() if shard.pool == SHARED]
        for number, slot in enumerate(slots, max(self.shards) + 1):
            self.shards[number] = Shard(number, pool, slot, 0, None)
        self._rehome()

    def dissolve(self, pool: str) -> bool:
        if any(row.record.pool == pool and row.lease_until > self.now() for row in self.hosts.values()):
            return False
        shards = {number: shard for number, shard in self.shards.items() if shard.pool != pool}
        if len(shards) == len(self.shards):
            return False
        self.shards = shards
        self._rehome()
        return True

    def _rehome(self) -> None:
        """Every hold ends, and what is stored is found in the shards of the pools as they are now."""
        self.homes = {(shard.pool, shard.slot): shard.id for shard in self.shards.values()}
        self.shards = {
            number: replace(shard, epoch=shard.epoch + 1, host=None) for number, shard in self.shards.items()
        }
        for row in (*self.mailbox.values(), *self.dead.values()):
            row.shard = self.shard_of(row.address)

    def is_alive(self, host: HostRow, lease: timedelta, silence: timedelta) -> bool:
        now = self.now()
        return host.lease_until > now and (host.session or host.lease_until > now + lease - silence)

    def fence(self, host: UUID, held: Held) -> bool:
        shard = self.shards.get(held.id)
        current = shard is not None and shard.epoch == held.epoch and shard.host == host
        return current or not self.switches.epochs

    def wrote(self, what: str, held: Held) -> None:
        self.writes.append(Write(what, held.id, held.epoch, self.shards[held.id].epoch))

    def put(self, address: AgentAddress, envelope: Envelope, *, in_memory: bool = False) -> bool:
        """Whether the mailbox did not have it already."""
        message = (address, envelope.id)
        if message in self.mailbox:
            return False
        self.mailbox[message] = Row(address, envelope, self.shard_of(address), in_memory)
        self.most_rows[address] = max(self.most_rows.get(address, 0), sum(1 for _ in self.rows_of(address)))
        return True

    def bury(self, address: AgentAddress, envelope: Envelope) -> None:
        """Something that never was in the mailbox."""
        self.dead.setdefault((address, envelope.id), Row(address, envelope, self.shard_of(address), in_memory=False))

    def rows_of(self, address: AgentAddress) -> Iterator[Row]:
        return (row for row in self.mailbox.values() if row.address == address)

    def mark_of(self, message: Message) -> Mark | None:
        return self.handled.get(message) if self.switches.marks else None

    def has_room(self, address: AgentAddress, rows: int, size: int) -> bool:
        waiting = list(self.rows_of(address))
        return len(waiting) < rows and sum(len(row.envelope.body) for row in waiting) < size
