"""The invariants of guarantees.md that a schedule can break, each under its name.

    applied    1   every acknowledged send is applied or dead-lettered
    once       2   each message changes state exactly once
    order      4   for each (sender, agent), order of application is order of sending
    epochs     5   epochs only rise; nothing written by a superseded epoch commits
    versions   6   state version = number of committed turns
    outbox     7   each message sent in a turn reaches exactly one inbox or the dead letters
    timers     9   timers never vanish, duplicates are absorbed
    drains    10   after the faults stop, the backlog drains in bounded time, every host makes progress, bounds held

3 (effects outside) and 8 (workflows) are not of the delivery core.

Order is that of one sender's messages of one priority, as the mailbox has it: a message of a higher one may overtake.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from uuid import UUID

from resprout.actors.address import AgentAddress
from resprout.actors.ids import derived_id
from resprout.actors.reminders import Reminder
from resprout.actors.turn import MOST_SENT

from .agents import ROWS, Ledger, Tick, Warden
from .database import Message
from .world import Record


class Violated(Exception):
    def __init__(self, name: str, seed: int, text: str) -> None:
        super().__init__(name, seed, text)
        self.name = name

    def __str__(self) -> str:
        return "invariant `{}` is violated under seed {}: {}".format(*self.args)


class Ending:
    """A schedule that is over, with the agents as they were left."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.database = record.database
        self.agents: dict[AgentAddress, Ledger | Warden] = {
            address: (Ledger if address.kind == Ledger.kind else Warden).model_validate_json(stored.state)
            for address, stored in record.database.agents.items()
        }

    def times(self, message: Message) -> int:
        agent = self.agents.get(message[0])
        return agent.applied.get(str(message[1]), 0) if agent is not None else 0

    def is_dead(self, message: Message) -> bool:
        return message in self.database.dead


def check(record: Record) -> None:
    """Raises Violated for the first that does not hold."""
    ending = Ending(record)
    for name, invariant in INVARIANTS.items():
        for text in invariant(ending):
            raise Violated(name, record.seed, text)


def _epochs(ending: Ending) -> Iterator[str]:
    newest: dict[int, int] = {}
    for shard, epoch in ending.database.epochs:
        if epoch <= newest.get(shard, 0):
            yield f"shard {shard} was given out under epoch {epoch} after {newest[shard]}"
        newest[shard] = epoch
    for write in ending.database.writes:
        if write.epoch != write.newest:
            yield f"a {write.what} in shard {write.shard} under epoch {write.epoch}, when {write.newest} was the newest"


def _versions(ending: Ending) -> Iterator[str]:
    for address, stored in ending.database.agents.items():
        turns = ending.database.turns[address]
        if not stored.version == turns == ending.agents[address].turns:
            yield (
                f"{address} is at version {stored.version} after {turns} committed turns, "
                f"of which its state has seen {ending.agents[address].turns}"
            )


def _once(ending: Ending) -> Iterator[str]:
    for address, agent in ending.agents.items():
        for message, times in agent.applied.items():
            if times != 1:
                yield f"{address} has applied message {message} {times} times"


def _outbox(ending: Ending) -> Iterator[str]:
    for message in ending.database.promised:
        if ending.record.waits and message in ending.database.mailbox:
            continue  # reached its inbox; that it stays there is another's matter
        if ending.times(message) + ending.is_dead(message) != 1:
            yield (
                f"message {message[1]}, told to {message[0]} in a turn, was applied {ending.times(message)} times "
                f"and buried {int(ending.is_dead(message))} times"
            )


def _drains(ending: Ending) -> Iterator[str]:
    record = ending.record
    yield from record.failures
    if record.waits:
        yield record.waits
    for address, rows in ending.database.most_rows.items():
        if rows > ROWS + MOST_BEYOND and address.kind == Ledger.kind:
            yield f"{rows} rows waited for {address}, whose bound is {ROWS}"
    for host in record.hosts:
        backlog = host.delivery.backlog
        counts = [backlog.mail, *(count for tenant in backlog.tenants.values() for count in tenant)]
        if any(counts) and not record.waits:
            yield f"{host.name} counts {backlog.mail} rows in memory, {backlog.tenants}, and has none"


# What one batch of commits may put into a mailbox that had room for one more, and reminders that fire.
MOST_BEYOND = 16
assert MOST_BEYOND < MOST_SENT


def _applied(ending: Ending) -> Iterator[str]:
    for message in ending.record.acknowledged:
        if not ending.times(message) and not ending.is_dead(message):
            yield f"message {message[1]} to {message[0]} was acknowledged, and neither applied nor buried"


def _order(ending: Ending) -> Iterator[str]:
    for address, agent in ending.agents.items():
        if isinstance(agent, Ledger):
            for line, taken in agent.order.items():
                if not _sorted([n for n, _ in taken]):
                    yield f"{address} took the messages of {line} in the order {taken}"


def _sorted(sequences: list[int]) -> bool:
    return sequences == sorted(sequences)


def _timers(ending: Ending) -> Iterator[str]:
    for address, reminder in ending.database.reminders_set:
        agent = ending.agents[address]
        assert isinstance(agent, Ledger)
        word = Tick.model_validate_json(reminder.body)
        buried = sum(1 for at, _ in ending.database.dead if at == address)
        if agent.ticked.get(word.name, 0) + buried < max(word.ticks, 1):
            yield f"reminder {word.name!r} of {address} ticked {agent.ticked.get(word.name, 0)} times"
        if reminder.missed == "each" and not buried:
            for due in _first_ticks(reminder, max(word.ticks, 1)):
                if ending.times((address, _tick(reminder, due))) != 1:
                    yield f"tick {due} of reminder {word.name!r} of {address} is missing"


def _first_ticks(reminder: Reminder, ticks: int) -> list[datetime]:
    return [reminder.due + n * reminder.every if reminder.every else reminder.due for n in range(ticks)]


def _tick(reminder: Reminder, due: datetime) -> UUID:
    return derived_id(reminder.id, due.isoformat())


# The causes before what follows from them.
INVARIANTS: dict[str, Callable[[Ending], Iterator[str]]] = {
    "epochs": _epochs,
    "versions": _versions,
    "once": _once,
    "outbox": _outbox,
    "drains": _drains,
    "applied": _applied,
    "order": _order,
    "timers": _timers,
}
