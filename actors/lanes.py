"""Group commit: turns of many agents, one transaction; each lane has one commit in flight.

A shard always uses the same lane, so the turns of an agent are committed in the order in which they were taken, and
two transactions never wait for each other's shards.

The invariant: every turn that was submitted hears how its commit ended, or was withdrawn. A turn that hears nothing
would stay among the uncommitted of its agent, and the next commit would write its effect without its mark.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from .errors import DatabaseLost, Rejected, ResproutError
from .logger import get_logger
from .mailbox import Entry
from .store import Advance, CommitOutcome, Fenced, Handled, Store
from .tracing import under

if TYPE_CHECKING:
    from .activation import Activation

log = get_logger("resprout.host")

MOST_TURNS = 256
# Beyond it, the rest goes with the next commit. One turn always fits: what a turn may send is bounded (turn.py).
MOST_BYTES = 8_000_000


@dataclass(slots=True)
class Pending:
    """A turn that was taken and is not committed yet."""

    entry: Entry
    handled: Handled
    state: str

    @property
    def size(self) -> int:
        """What it adds to a commit besides the state, of which only the last one is written."""
        effects = self.handled.effects
        return len(self.handled.reply.body or "") + (effects.size if effects is not None else 0)


class Ledger(Protocol):
    """Hears how commits ended."""

    def ended(self, activation: "Activation", turns: list[Pending], outcome: CommitOutcome) -> None: ...

    def failed(self, activation: "Activation", turns: list[Pending], error: ResproutError) -> None: ...


class Lane:
    def __init__(self, store: Store, host: UUID, may_write: Callable[[], bool], ledger: "Ledger") -> None:
        self.store = store
        self.host = host
        self.may_write = may_write
        self.ledger = ledger
        self.waiting: dict[Activation, list[Pending]] = {}
        self.task: asyncio.Task[None] | None = None

    def submit(self, activation: "Activation", pending: Pending) -> None:
        self.waiting.setdefault(activation, []).append(pending)
        if self.task is None:
            self.task = asyncio.create_task(self._run())

    def withdraw(self, activation: "Activation") -> None:
        self.waiting.pop(activation, None)

    async def _run(self) -> None:
        try:
            while self.waiting:
                await self._commit(self._next_batch())
        finally:
            self.task = None

    def _next_batch(self) -> "list[tuple[Activation, list[Pending]]]":
        batch: list[tuple[Activation, list[Pending]]] = []
        turns_left, bytes_left = MOST_TURNS, MOST_BYTES
        for activation in list(self.waiting):
            turns = self.waiting[activation]
            fitting, size = _fitting(turns, turns_left, bytes_left)
            if not fitting and batch:
                break
            taken = max(fitting, 1)
            batch.append((activation, turns[:taken]))
            if taken < len(turns):
                self.waiting[activation] = turns[taken:]
                break
            del self.waiting[activation]
            turns_left, bytes_left = turns_left - taken, bytes_left - size
        return batch

    async def _commit(self, batch: "list[tuple[Activation, list[Pending]]]") -> None:
        for (activation, turns), outcome in zip(batch, await self._outcomes(batch), strict=True):
            try:
                if isinstance(outcome, ResproutError):
                    self.ledger.failed(activation, turns, outcome)
                else:
                    self.ledger.ended(activation, turns, outcome)
            except Exception:  # the others of the batch are to hear of theirs
                log.exception("a defect in the delivery", agent=str(activation.address))
                activation.met_defect()

    async def _outcomes(
        self, batch: "list[tuple[Activation, list[Pending]]]"
    ) -> "Sequence[CommitOutcome | ResproutError]":
        if not self.may_write():
            return [Fenced()] * len(batch)
        try:
            with under(batch[0][1][0].entry.envelope.trace):
                return await self.store.commit(self.host, [_advance(*turns) for turns in batch])
        except Rejected as error:  # something in it cannot be stored: find out what
            if len(batch) == 1:
                return [error]
            return [(await self._outcomes([turns]))[0] for turns in batch]
        except ResproutError as error:
            return [error] * len(batch)
        except Exception as error:  # not of the store's vocabulary: whether it happened is not known
            log.exception("commit failed in a way that the store does not know")
            return [DatabaseLost(f"the commit ended in {type(error).__name__}: {error}.")] * len(batch)


def _fitting(turns: list[Pending], most: int, most_bytes: int) -> tuple[int, int]:
    """How many of an agent's turns fit, and the size of those."""
    size = taken = 0
    for turn in turns[:most]:
        grown = size + turn.size
        if grown + len(turn.state) > most_bytes:
            break
        size, taken = grown, taken + 1
    return taken, size + (len(turns[taken - 1].state) if taken else 0)


def _advance(activation: "Activation", turns: list[Pending]) -> Advance:
    return Advance(
        address=activation.address,
        held=activation.held,
        expected=activation.uncommitted.version,
        state=turns[-1].state,
        state_version=activation.kind.options.version,
        handled=[turn.handled for turn in turns],
    )
