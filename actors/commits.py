"""Turns become durable: they go into a lane, and what the lane says of their commit is done here.

The invariant: replies, messages and failures leave only after the commit of everything before them. When a commit
fails, all turns that were built on it are taken back (`_reset`), the state is read again, and the messages are handled
again: nothing of them was seen outside.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, assert_never
from uuid import UUID

from .agent import Agent
from .envelope import Envelope, Failed, Replied, failed
from .errors import IdTaken, Rejected, ResproutError
from .fullness import mailbox_full
from .kinds import bounds_of
from .lanes import Lane, Pending
from .logger import get_logger
from .mailbox import Entry
from .marks import Mark
from .outlet import Outlet
from .records import Records
from .station import Station
from .store import CommitOutcome, Committed, Duplicate, Fenced, Full, Handled, Held, Superseded
from .tracing import under

if TYPE_CHECKING:
    from .activation import Activation

log = get_logger("resprout.host")

MOST_UNCOMMITTED = 64


class Commits:
    def __init__(self, station: Station, records: Records, outlet: Outlet, lose: Callable[[Held], None]) -> None:
        self.lanes = [Lane(station.store, station.host, station.may_write, self) for _ in range(station.limits.lanes)]
        self.records = records
        self.outlet = outlet
        self.lose = lose
        self.turns = 0  # that were taken since this host began

    async def submit(self, activation: "Activation", entry: Entry, handled: Handled, after: Agent, state: str) -> None:
        activation.agent = after
        activation.heat += 1
        uncommitted = activation.uncommitted
        uncommitted.entries.append(entry)
        self._lane_of(activation.held).submit(activation, Pending(entry, handled, state))
        if len(uncommitted.entries) >= (1 if uncommitted.cautious else MOST_UNCOMMITTED):
            await uncommitted.flushed()

    def apply(self, activation: "Activation", entry: Entry, handled: Handled, after: Agent) -> None:
        """An ephemeral agent's turn has ended: it is in memory, which is all that was promised."""
        activation.agent = after
        activation.uncommitted.version += 1
        activation.heat += 1
        self.turns += 1
        self.records.remember(activation.address, entry.envelope, handled.reply)
        activation.done(entry, handled.reply)

    def withdraw(self, activation: "Activation") -> list[Entry]:
        """What can be is not committed any more; of what is under way nobody hears."""
        self._lane_of(activation.held).withdraw(activation)
        return activation.uncommitted.take_back()

    def _lane_of(self, held: Held) -> Lane:
        return self.lanes[held.id % len(self.lanes)]

    # What the lane says of a commit.

    def ended(self, activation: "Activation", turns: list[Pending], outcome: CommitOutcome) -> None:
        match outcome:
            case Committed():
                self._durable(activation, turns, outcome)
            case Duplicate(marks):
                self._reset(activation, doubtful=True)
                for turn in turns:
                    self._part_from_handled(activation, turn.entry, marks)
                    if (mark := marks.get(turn.entry.envelope.id)) is not None:
                        activation.mailbox.withdraw(turn.entry)
                        activation.done(turn.entry, _outcome(mark, turn.entry.envelope))
            case Superseded():
                self._reset(activation, doubtful=True)
            case Full():
                self._refuse_one(activation, turns, outcome)
                self._reset(activation, doubtful=False)
            case Fenced():
                self.lose(activation.held)
            case never:
                assert_never(never)

    def failed(self, activation: "Activation", turns: list[Pending], error: ResproutError) -> None:
        """Not known whether it happened (or, if rejected, known that it cannot): look, and do it again."""
        if isinstance(error, Rejected):
            activation.uncommitted.cautious = len(turns) > 1
            if not activation.uncommitted.cautious:
                turns[0].entry.refused = error
            self._reset(activation, doubtful=False)
        else:
            self._reset(activation, doubtful=True)

    def _durable(self, activation: "Activation", turns: list[Pending], outcome: Committed) -> None:
        activation.uncommitted.durable(len(turns))
        for turn in turns:
            if turn.entry.envelope.run is not None:
                self._log_handled(activation, turn.entry.envelope)
            activation.done(turn.entry, turn.handled.reply)
        self.turns += len(turns)
        self.outlet.committed(turns, outcome)
        activation.uncommitted.tell_settled()

    def _log_handled(self, activation: "Activation", envelope: Envelope) -> None:
        """A line for each step of a run; for every message it would cost more than the message."""
        with under(envelope.trace):
            log.info(
                "handled",
                agent=str(activation.address),
                message=str(envelope.id),
                message_type=envelope.type,
                run=envelope.run,
                version=activation.uncommitted.version,
            )

    def _part_from_handled(self, activation: "Activation", entry: Entry, marks: Mapping[UUID, Mark]) -> None:
        """What joined this turn and was handled before gets its own reply; it would spoil the next try as well."""
        for joined in entry.joined:
            if (mark := marks.get(joined.envelope.id)) is not None:
                activation.done(joined, _outcome(mark, joined.envelope))
        entry.joined = tuple(joined for joined in entry.joined if joined.envelope.id not in marks)

    def _refuse_one(self, activation: "Activation", turns: list[Pending], full: Full) -> None:
        """The first of the turns that tells the full recipient meets the refusal; the others are taken again."""
        error = mailbox_full(full.recipient, full.bound, bounds_of(full.recipient), teller=str(activation.address))
        for turn in turns:
            effects = turn.handled.effects
            if effects is not None and any(sent.recipient == full.recipient for sent in effects.sent):
                turn.entry.refused = error
                return

    def _reset(self, activation: "Activation", *, doubtful: bool) -> None:
        activation.agent = None
        again = self.withdraw(activation)
        if activation.in_turn is not None and activation.in_turn not in again:
            again.append(activation.in_turn)
        for entry in again:
            entry.doubtful = entry.doubtful or doubtful
        activation.mailbox.back(again)
        activation.uncommitted.tell_settled()
        activation.start()


def _outcome(mark: Mark, envelope: Envelope) -> Replied | Failed:
    try:
        return mark.reply_to(envelope)
    except IdTaken as error:
        return failed(error)
