"""The commit of turns, as `memory/commit.py` does it: for each agent all of it happens or nothing.

A message that was handled before stops the statement as a whole; the agents concerned are told, the others are
written without them.
"""

from collections.abc import Iterator, Sequence
from uuid import UUID

from resprout.actors.address import AgentAddress
from resprout.actors.envelope import Envelope
from resprout.actors.kinds import agent_class
from resprout.actors.marks import Mark, digest_of
from resprout.actors.store import Advance, CommitOutcome, Committed, Duplicate, Fenced, Full, Superseded

from .database import SimDatabase, Stored


def commit(database: SimDatabase, host: UUID, advances: Sequence[Advance]) -> list[CommitOutcome]:
    outcomes = _refuse_full(database, advances)
    while True:
        left = {n: advance for n, advance in enumerate(advances) if n not in outcomes}
        moved = {n: a for n, a in left.items() if _refusal(database, host, a) is None}
        if not any(_repeated(database, advance) for advance in moved.values()):
            break
        for n, advance in left.items():
            if repeated := _repeated(database, advance):
                outcomes[n] = repeated
                for message in repeated.marks:
                    database.mailbox.pop((advance.address, message), None)
    for n, advance in left.items():
        outcomes[n] = _refusal(database, host, advance) or _write(database, advance)
    return [outcomes[n] for n in range(len(advances))]


def outbox_of(database: SimDatabase, advances: Sequence[Advance], outcomes: Sequence[CommitOutcome]) -> None:
    """What the turns sent, written apart from their commit."""
    for advance, outcome in zip(advances, outcomes, strict=True):
        if isinstance(outcome, Committed):
            for envelope in _sent(advance):
                database.put(AgentAddress.parse(envelope.recipient), envelope)


def _refuse_full(database: SimDatabase, advances: Sequence[Advance]) -> dict[int, CommitOutcome]:
    refused: dict[int, CommitOutcome] = {}
    for n, advance in enumerate(advances):
        for envelope in _sent(advance):
            address = AgentAddress.parse(envelope.recipient)
            bounds = agent_class(address.kind).options.bounds
            if not database.has_room(address, bounds.rows, bounds.bytes):
                refused.setdefault(n, Full(envelope.recipient))
    return refused


def _refusal(database: SimDatabase, host: UUID, advance: Advance) -> CommitOutcome | None:
    if not database.fence(host, advance.held):
        return Fenced()
    stored = database.agents.get(advance.address)
    version = stored.version if stored is not None else 0
    if database.switches.versions and version != advance.expected:
        return Superseded()
    return None


def _repeated(database: SimDatabase, advance: Advance) -> Duplicate | None:
    marks = {
        message.id: mark
        for message, _ in _messages(advance)
        if (mark := database.mark_of((advance.address, message.id))) is not None
    }
    return Duplicate(marks) if marks else None


def _write(database: SimDatabase, advance: Advance) -> Committed:
    address = advance.address
    before = database.agents.get(address)
    version = (before.version if before is not None else 0) + len(advance.handled)
    database.agents[address] = Stored(advance.state, advance.state_version, version)
    database.wrote("commit", advance.held)
    database.turns[address] = database.turns.get(address, 0) + len(advance.handled)
    for handled in advance.handled:
        for message, stored in ((handled.envelope, handled.stored), *handled.joined):
            digest = digest_of(message.version, message.body)
            database.handled[address, message.id] = Mark(handled.reply, message.type, digest)
            if stored:
                database.mailbox.pop((address, message.id), None)
    woken = set()
    for envelope in _sent(advance):
        recipient = AgentAddress.parse(envelope.recipient)
        woken.add(database.shard_of(recipient))
        database.promised.append((recipient, envelope.id))
        if database.switches.outbox:
            database.put(recipient, envelope)
    return Committed(frozenset(woken | _write_rare(database, advance)))


def _write_rare(database: SimDatabase, advance: Advance) -> set[int]:
    woken = set()
    for handled in advance.handled:
        if (effects := handled.effects) is None:
            continue
        database.journals.setdefault(advance.address, {}).update(effects.entries)
        for name, reminder in effects.reminders.items():
            database.reminders.pop((advance.address, name), None)
            if reminder is not None:
                database.reminders[advance.address, name] = reminder
                database.reminders_set.append((advance.address, reminder))
        for topic, envelope, _ in effects.published:
            for follower in database.subscriptions.get(topic, []):
                database.promised.append((follower, envelope.id))
                if _publish(database, follower, envelope.model_copy(update={"recipient": str(follower)})):
                    woken.add(database.shard_of(follower))
    for handled in advance.handled:
        for topic, wanted in (handled.effects.topics if handled.effects is not None else {}).items():
            followers = [one for one in database.subscriptions.get(topic, []) if one != advance.address]
            database.subscriptions[topic] = [*followers, advance.address] if wanted else followers
    return woken


def _publish(database: SimDatabase, follower: AgentAddress, envelope: Envelope) -> bool:
    """Whether there was room; the dead letters have it otherwise."""
    bounds = agent_class(follower.kind).options.bounds
    rows = list(database.rows_of(follower))
    size = sum(len(row.envelope.body) for row in rows) + len(envelope.body)
    if len(rows) < bounds.rows and size <= bounds.bytes:
        database.put(follower, envelope)
        return True
    database.bury(follower, envelope)
    return False


def _messages(advance: Advance) -> Iterator[tuple[Envelope, bool]]:
    for handled in advance.handled:
        yield handled.envelope, handled.stored
        yield from handled.joined


def _sent(advance: Advance) -> list[Envelope]:
    return [e for handled in advance.handled if handled.effects is not None for e in handled.effects.sent]
