"""The rows of one commit of turns, column by column, as the statement in `commit` takes them.

The invariant: a column stands where the statement counts it. Columns are only added behind the others.
"""

import json
from collections import deque
from collections.abc import Sequence
from typing import Any

from ..actors.address import AgentAddress
from ..actors.envelope import Envelope
from ..actors.errors import UnknownKind
from ..actors.kinds import agent_class, agent_classes
from ..actors.marks import digest_of
from ..actors.options import Bounds
from ..actors.store import Advance
from ..actors.turn import Published
from .commit import PLAIN, WITH_ALL, WITH_ENTRIES
from .fence import claims_of
from .rooms import Shards


class Rows:
    """The arrays of one commit, column by column."""

    def __init__(self, advances: Sequence[Advance], shards: Shards) -> None:
        self.shards = shards
        self.woken: set[int] = set()
        agents: list[tuple[Any, ...]] = []
        marks: list[tuple[Any, ...]] = []
        out: list[tuple[Any, ...]] = []
        self._sent: list[tuple[Any, ...]] = []
        self._published: list[tuple[Any, ...]] = []
        self._reminders: list[tuple[Any, ...]] = []
        self._cancelled: list[tuple[Any, ...]] = []
        self._topics: dict[bool, list[tuple[Any, ...]]] = {True: [], False: []}
        self._described: list[tuple[Any, ...]] = []
        self._entries: list[tuple[Any, ...]] = []
        claims = claims_of([a.held for a in advances])
        for n, (a, claim) in enumerate(zip(advances, claims, strict=True), 1):
            agents.append((*a.address, claim, a.expected, len(a.handled), a.state, a.state_version))
            for turn, handled in enumerate(a.handled, 1):
                reply = handled.reply
                messages = [(handled.envelope, handled.stored), *handled.joined]
                for message, stored in messages:
                    digest = digest_of(message.version, message.body)
                    about = (n, message.id, turn, message.type, message.sender)
                    marks.append((*about, reply.type, reply.version, reply.body, digest))
                    if stored:
                        out.append((n, message.id))
            if any(handled.effects is not None for handled in a.handled):
                self._add_mail(n, a)
                self._add_rare(n, a)
        kinds, keys, claim_of, expected, turns, states, versions = _columns(agents, 7)
        places, ids, nth, types, senders, reply_types, reply_versions, replies, digests = _columns(marks, 9)
        self._common = [
            *(kinds, keys, _numbers(claim_of), _numbers(expected), _numbers(turns), states, _numbers(versions)),
            *(_numbers(places), ids, _numbers(nth), types, senders, reply_types, _numbers(reply_versions), replies),
            _numbers(digests),
            *(*_columns(out, 2), *_columns(self._sent, 7)),
        ]

    @property
    def statement(self) -> tuple[str, list[Any]]:
        """The one that has all that these turns do and no more, for each part costs; and its parameters."""
        rare = self._rare()
        entries = _columns(self._entries, 3)
        if rare is not None:
            return WITH_ALL, [*self._common, *rare, *entries]
        return (WITH_ENTRIES, [*self._common, *entries]) if self._entries else (PLAIN, self._common)

    def _rare(self) -> list[Any] | None:
        parts = (
            (self._published, 6),
            (self._reminders, 10),
            (self._cancelled, 2),
            (self._topics[True], 2),
            (self._topics[False], 2),
            (self._described, 2),
        )
        if not any(rows for rows, _ in parts):
            return None
        columns = (column for rows, width in parts for column in _columns(rows, width))
        return [*columns, *_bounds_of_subscribers()]

    def _add_mail(self, n: int, advance: Advance) -> None:
        for handled in advance.handled:
            if (effects := handled.effects) is None:
                continue
            published = deque(effects.published)
            for told, envelope in enumerate(effects.sent):
                while published and published[0].after <= told:
                    self._publish(n, published.popleft())
                if not options_of_recipient(envelope)[0]:
                    self._sent.append(self._mail(n, envelope))
            for one in published:
                self._publish(n, one)

    def _publish(self, n: int, one: Published) -> None:
        envelope = one.envelope
        self._published.append(
            (n, one.topic, envelope.id, envelope.model_dump_json(), len(envelope.body), len(self._sent))
        )

    def _mail(self, n: int, envelope: Envelope) -> tuple[Any, ...]:
        address = AgentAddress.parse(envelope.recipient)
        shard = self.shards.id_of(address)
        self.woken.add(shard)
        return (n, *address, shard, envelope.id, envelope.model_dump_json(), len(envelope.body))

    def _add_rare(self, n: int, advance: Advance) -> None:
        """Of what several turns of the batch change (a reminder, a topic, an entry), the last word counts."""
        reminders: dict[str, Any] = {}
        entries: dict[int, str] = {}
        topics: dict[str, bool] = {}
        described = None
        for handled in advance.handled:
            if (effects := handled.effects) is None:
                continue
            reminders.update(effects.reminders)
            topics.update(effects.topics)
            entries.update(effects.entries)
            described = effects.described or described
        for name, r in reminders.items():
            if r is None:
                self._cancelled.append((n, name))
            else:
                self._reminders.append((n, name, r.id, r.due, r.every, r.missed, r.type, r.version, r.body, r.tenant))
        for topic, wanted in topics.items():
            self._topics[wanted].append((n, topic))
        self._entries += [(n, number, entry) for number, entry in entries.items()]
        if described is not None:
            self._described.append((n, json.dumps(described)))


def _columns(rows: list[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def _numbers(column: list[int]) -> str:
    """As Postgres writes an array: the driver looks at each element of one, which costs a tenth of a turn."""
    return f"{{{str(column)[1:-1]}}}"


def _bounds_of_subscribers() -> list[Any]:
    """Rows and bytes of kinds that say nothing, and of those that do."""
    usual = Bounds()
    own = [
        (kind.kind, kind.options.bounds.rows, kind.options.bounds.bytes)
        for kind in agent_classes()
        if kind.options.bounds != usual
    ]
    return [usual.rows, usual.bytes, *_columns(own, 3)]


def options_of_recipient(envelope: Envelope) -> tuple[bool, Bounds]:
    """Whether the recipient is ephemeral, and its bounds. A kind that is not known here may be known elsewhere."""
    try:
        options = agent_class(AgentAddress.parse(envelope.recipient).kind).options
    except UnknownKind:
        return False, Bounds()
    return options.ephemeral, options.bounds
