from collections import defaultdict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from resprout.actors.envelope import PRIORITIES, Envelope, Priority
from resprout.actors.ids import new_id
from resprout.actors.mailbox import Entry, Mailbox


class MailboxMachine(RuleBasedStateMachine):
    """Whatever is put, taken, put back, held and removed: nothing is lost, and each line keeps its order."""

    taken = Bundle("taken")
    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.mailbox = Mailbox()
        self.put_in: dict[tuple[str, str], list[int]] = defaultdict(list)  # numbers by line, in their order
        self.done: dict[tuple[str, str], list[int]] = defaultdict(list)
        self.in_turn: Entry | None = None
        self.numbers = 0

    @rule(sender=st.sampled_from("abc"), priority=st.sampled_from(PRIORITIES), stored=st.booleans())
    def put(self, sender: str, priority: Priority, stored: bool) -> None:
        self.numbers += 1
        envelope = Envelope(
            id=new_id(), recipient="x/y", sender=sender, type="t", body=str(self.numbers), priority=priority
        )
        self.put_in[sender, priority].append(self.numbers)
        self.mailbox.put(Entry(envelope, stored=stored))

    @rule()
    def take(self) -> None:
        if self.in_turn is None:
            self.in_turn = self.mailbox.take()

    @rule()
    def finish(self) -> None:
        if self.in_turn is not None:
            entry, self.in_turn = self.in_turn, None
            self.mailbox.remove(entry)
            self.done[entry.envelope.sender, entry.envelope.priority].append(int(entry.envelope.body))

    @rule()
    def put_back(self) -> None:
        if self.in_turn is not None:
            self.mailbox.back([self.in_turn])
            self.in_turn = None

    @rule(target=held)
    def hold(self) -> Entry | None:
        entry, self.in_turn = self.in_turn, None
        if entry is not None:
            self.mailbox.postpone(entry)
        return entry

    @rule(entry=consumes(held))
    def unhold(self, entry: Entry | None) -> None:
        if entry is not None:
            self.mailbox.resume(entry)

    @invariant()
    def lines_keep_their_order(self) -> None:
        for line, numbers in self.done.items():
            assert numbers == self.put_in[line][: len(numbers)]

    @invariant()
    def nothing_is_lost(self) -> None:
        done = sum(len(numbers) for numbers in self.done.values())
        assert len(self.mailbox) + done == self.numbers
        stored = [entry for entry in self.mailbox if entry.stored]
        assert self.mailbox.rows == len(stored)
        assert self.mailbox.bytes == sum(len(entry.envelope.body) for entry in self.mailbox)

    def teardown(self) -> None:
        """Everything comes out in the end."""
        self.finish()
        for entries in list(self.mailbox.postponed.values()):
            self.mailbox.resume(entries[0])
        while (entry := self.mailbox.take()) is not None:
            self.in_turn = entry
            self.finish()
            self.lines_keep_their_order()
        assert len(self.mailbox) == 0
        assert self.done == self.put_in or not self.numbers


TestMailbox = MailboxMachine.TestCase
TestMailbox.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_low_priorities_do_not_starve() -> None:
    mailbox = Mailbox()
    low = Envelope(id=new_id(), recipient="x/y", sender="a", type="t", body="low", priority="low")
    mailbox.put(Entry(low))
    taken = []

    for _ in range(10):
        high = Envelope(id=new_id(), recipient="x/y", sender="b", type="t", body="high", priority="critical")
        mailbox.put(Entry(high))
        entry = mailbox.take()
        assert entry is not None
        taken.append(entry.envelope.body)

    assert taken.index("low") < 4
