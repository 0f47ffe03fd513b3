"""The messages that wait for one agent, in memory: which is next.

Higher priorities go first, but every fourth message is the one that waits longest, so nothing starves. Messages of one
sender and one priority are taken in the order in which they were put. While one of them is postponed, the later ones
of its sender wait behind it.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from .envelope import RANK, Began, Envelope, Outcome
from .errors import ResproutError

OLDEST_EVERY = 4
OUTSIDE = ""

Answer = Callable[[Outcome | Began], None]


@dataclass(eq=False, slots=True)
class Entry:
    """One message and everybody who waits for its outcome."""

    envelope: Envelope
    stored: bool = False  # whether it has a row in Postgres' mailbox
    attempts: int = 0  # failed so far, as counted durably
    suspect: bool = False  # a host died while it had this message: its turn is written down as it begins
    doubtful: bool = False  # it may have been handled already: look before working
    answers: list[Answer] = field(default_factory=list)
    joined: Sequence["Entry"] = ()  # equal messages that share this one's turn
    refused: ResproutError | None = None  # what its turn met when it should have been committed
    number: int = 0
    strange_since: float | None = None  # when it was first found that the code here has no handler for it
    met_full_at: float | None = None  # when its turn first told something to a mailbox without room

    @property
    def looks_again(self) -> bool:
        """Whether something happened to this message before."""
        return self.doubtful or self.refused is not None or (self.envelope.attempt > 1 and not self.stored)

    def begins(self) -> None:
        for answer in self.answers:
            answer(Began())

    def settle(self, outcome: Outcome) -> None:
        answers, self.answers = self.answers, []
        for answer in answers:
            answer(outcome)
        for entry in self.joined:
            entry.settle(outcome)


class Mailbox:
    __slots__ = ("bytes", "known", "postponed", "puts", "queues", "rows", "takes")

    def __init__(self) -> None:
        self.queues: dict[int, deque[Entry]] = {}  # by rank, only those with something in them: most agents are idle
        self.known: dict[int, Entry] = {}  # by the number of the message's id, which hashes faster
        # Of each line what waits for its next try, and behind it what was sent later.
        self.postponed: dict[tuple[str, str], deque[Entry]] = {}
        self.rows = 0  # stored ones, waiting or in their turn
        self.bytes = 0  # of all, stored or not
        self.puts = 0
        self.takes = 0

    def __len__(self) -> int:
        return len(self.known)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self.known.values()))

    def put(self, entry: Entry) -> None:
        """A message that is new to this mailbox (see `find`)."""
        self.know(entry)
        self.line_up(entry)

    def line_up(self, entry: Entry) -> None:
        self.puts += 1
        entry.number = self.puts
        if self.postponed and (behind := self.postponed.get(_line(entry))) is not None:
            behind.append(entry)
        else:
            self._queue(entry).append(entry)

    def know(self, entry: Entry) -> None:
        """Counts and finds the message, without a place of its own in the queue."""
        assert entry.envelope.id.int not in self.known
        self.known[entry.envelope.id.int] = entry
        self.rows += entry.stored
        self.bytes += len(entry.envelope.body)

    def find(self, message_id: UUID) -> Entry | None:
        return self.known.get(message_id.int)

    def take(self) -> Entry | None:
        """The next message; it stays known until `remove`."""
        if not self.queues:
            return None
        rank = next(iter(self.queues)) if len(self.queues) == 1 else self._next_rank()
        queue = self.queues[rank]
        entry = queue.popleft()
        if not queue:
            del self.queues[rank]
        return entry

    def _next_rank(self) -> int:
        self.takes += 1
        if self.takes % OLDEST_EVERY == 0:
            return min(self.queues, key=lambda rank: self.queues[rank][0].number)
        return max(self.queues)

    def withdraw(self, entry: Entry) -> None:
        """Out of its queue, if it is in one; it stays known."""
        rank = RANK[entry.envelope.priority]
        queue = self.queues.get(rank)
        if queue is not None and entry in queue:
            queue.remove(entry)
            if not queue:
                del self.queues[rank]

    def back(self, entries: list[Entry]) -> None:
        """Entries that were taken and must be taken again, in the order in which they were."""
        for entry in reversed(entries):
            self._queue(entry).appendleft(entry)

    def postpone(self, entry: Entry) -> None:
        """The message waits for its next try, and what its sender sent after it waits behind it."""
        line = _line(entry)
        postponed = self.postponed.setdefault(line, deque())
        postponed.appendleft(entry)
        for other in list(self.queues.get(RANK[entry.envelope.priority], ())):
            if _line(other) == line:
                postponed.append(other)
                self.withdraw(other)

    def resume(self, entry: Entry) -> None:
        """The message's time has come: it and those behind it can be taken."""
        postponed = self.postponed.pop(_line(entry), None)
        if postponed:
            self.back(list(postponed))

    def remove(self, entry: Entry) -> None:
        if self.known.pop(entry.envelope.id.int, None) is not None:
            self.rows -= entry.stored
            self.bytes -= len(entry.envelope.body)

    def _queue(self, entry: Entry) -> deque[Entry]:
        rank = RANK[entry.envelope.priority]
        queue = self.queues.get(rank)
        if queue is None:
            queue = self.queues[rank] = deque()
        return queue


def _line(entry: Entry) -> tuple[str, str]:
    """Messages of one line keep their order. Different callers from outside do not share one by having no name."""
    return entry.envelope.sender or str(entry.envelope.id), entry.envelope.priority
