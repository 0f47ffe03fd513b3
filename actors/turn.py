"""One turn, from inside: what a handler may see of its message, and all that it wants to happen with its commit.

Nothing that is collected here happens before the commit, and all of it happens with it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from .address import AgentAddress
from .arguments import check_message, check_moment, check_name, check_priority, check_reminder, check_span
from .envelope import Envelope, Priority, Replied
from .errors import CallCycle, DeadlineInPast, Rejected, TooLarge
from .ids import derived_id
from .message import Message, body_of, parse_stored
from .reminders import Missed, Reminder

if TYPE_CHECKING:
    from .agent import Agent

LARGEST_BODY = 1_000_000  # bytes of JSON; the same for messages, replies and states unless a kind says otherwise
MOST_SENT = 1_000  # messages in one turn, told and published
MOST_SENT_BYTES = 4_000_000  # of all these: they are one commit

Ask = Callable[[Envelope], Awaitable[Replied]]
Read = Callable[[int, int], Awaitable[Sequence[str]]]


class Published(NamedTuple):
    topic: str
    envelope: Envelope
    after: int  # so many messages were told before it in the same turn


@dataclass(slots=True)
class Effects:
    sent: list[Envelope] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    reminders: dict[str, Reminder | None] = field(default_factory=dict)  # by name; None: cancelled
    topics: dict[str, bool] = field(default_factory=dict)  # True: subscribed, False: not any more
    described: dict[str, Any] | None = None  # what the registry shall say of this agent
    entries: dict[int, str] = field(default_factory=dict)  # of the journal, by number

    @property
    def size(self) -> int:
        """Of the bodies of all that is sent."""
        return sum(len(sent.body) for sent in self.sent) + sum(len(one.envelope.body) for one in self.published)


class Turn:
    """What `self.tell`, `self.ask` and their kin work on while a handler runs."""

    __slots__ = ("address", "ask_agent", "clock", "effects", "envelope", "read_journal", "sent_bytes", "steps")

    def __init__(
        self,
        address: AgentAddress,
        envelope: Envelope,
        clock: Callable[[], datetime],
        ask_agent: Ask,
        read_journal: Read,
    ) -> None:
        self.address = address
        self.envelope = envelope
        self.clock = clock
        self.ask_agent = ask_agent
        self.read_journal = read_journal
        self.effects: Effects | None = None  # most turns have none
        self.steps = 0
        self.sent_bytes = 0

    def tell(self, recipient: str, message: Message, priority: Priority, deadline: datetime | None) -> UUID:
        AgentAddress.parse(recipient)
        if deadline is not None:
            check_moment("deadline", deadline)
        envelope = self._envelope("tell", recipient, message, priority, deadline)
        self._sends(envelope).sent.append(envelope)
        return envelope.id

    def publish(self, topic: str, message: Message, priority: Priority) -> UUID:
        AgentAddress.of("topic", topic)
        check_message(message, f"topic {topic}")
        envelope = self._envelope("tell", "", message, priority, None)
        effects = self._sends(envelope)
        effects.published.append(Published(topic, envelope, len(effects.sent)))
        return envelope.id

    def _sends(self, envelope: Envelope) -> Effects:
        self.sent_bytes += len(envelope.body)
        effects = self._effects()
        if len(effects.sent) + len(effects.published) >= MOST_SENT or self.sent_bytes > MOST_SENT_BYTES:
            raise Rejected(
                f"{self.address} sends more than {MOST_SENT:,} messages, or {MOST_SENT_BYTES:,} bytes of them, in one "
                "turn. Spread them over turns."
            )
        return effects

    async def ask(self, recipient: str, message: Message, timeout: timedelta | None) -> Message | None:
        address = AgentAddress.parse(recipient)
        chain = (*self.envelope.chain, str(self.address))
        refuse_cycle(chain, str(address))
        deadline = self.envelope.deadline
        if timeout is not None:
            check_span("timeout", timeout)
            if timeout <= timedelta(0):
                raise DeadlineInPast(f"{self.address} asks {address} with no time left. Give a timeout above zero.")
            own = self.clock() + timeout
            deadline = own if deadline is None else min(own, deadline)
        envelope = self._envelope("ask", recipient, message, self.envelope.priority, deadline, chain)
        reply = await self.ask_agent(envelope)
        return parse_stored(reply.type, reply.version, reply.body or "{}") if reply.type is not None else None

    def remind(
        self,
        name: str,
        message: Message,
        at: datetime | None,
        after: timedelta | None,
        every: timedelta | None,
        missed: Missed,
    ) -> None:
        check_reminder(name, at, after, every, missed)
        check_message(message, f"reminder {name!r}")
        due = at or self.clock() + (after or every or timedelta(0))
        self._effects().reminders[name] = Reminder(
            id=self._next_id(),
            name=name,
            due=due,
            every=every,
            missed=missed,
            type=message.message_name,
            version=message.message_version,
            body=_json(message),
            tenant=self.envelope.tenant,
        )

    def cancel(self, name: str) -> None:
        check_name(name)
        self._effects().reminders[name] = None

    def subscribe(self, topic: str, wanted: bool) -> None:
        AgentAddress.of("topic", topic)
        self._effects().topics[topic] = wanted

    def describe(self, described: dict[str, Any]) -> None:
        self._effects().described = described

    def enter(self, number: int, entry: str) -> None:
        if number < 1:
            raise Rejected(f"the journal of {self.address} begins with entry 1: there is no entry {number}.")
        refuse_large(entry, "entry %s of the journal of %s", number, self.address)
        self._effects().entries[number] = entry

    def _effects(self) -> Effects:
        if self.effects is None:
            self.effects = Effects()
        return self.effects

    def _next_id(self) -> UUID:
        self.steps += 1
        return derived_id(self.envelope.id, f"{self.address}:{self.steps}")

    def _envelope(
        self,
        way: Any,
        recipient: str,
        message: Message,
        priority: Priority,
        deadline: datetime | None,
        chain: tuple[str, ...] = (),
    ) -> Envelope:
        check_priority(priority)
        cause = self.envelope
        return Envelope(
            id=self._next_id(),
            way=way,
            recipient=recipient,
            sender=str(self.address),
            type=message.message_name,
            version=message.message_version,
            body=_json(message),
            priority=priority,
            tenant=cause.tenant,
            correlation=cause.correlation or cause.id,
            causation=cause.id,
            chain=chain,
            run=cause.run,
            deadline=deadline,
            trace=cause.trace,
        )


def _json(message: Message) -> str:
    body = body_of(message)
    refuse_large(body, "`%s`", message.message_name)
    return body


def refuse_large(body: str, what: str, *names: object, limit: int = LARGEST_BODY) -> None:
    """`what` is only filled in when it is needed: this stands in the way of every message."""
    if len(body) > limit // 4 and (size := len(body.encode())) > limit:
        raise TooLarge(
            f"{what % names} has {size:,} bytes as JSON, the limit is {limit:,}. Keep what is large in a file or store "
            "and send a reference to it."
        )


def refuse_cycle(chain: tuple[str, ...], recipient: str) -> None:
    if recipient in chain:
        circle = " → ".join((*chain[chain.index(recipient) :], recipient))
        raise CallCycle(f"{circle}: each would wait for the next for ever. Let one of them `tell` instead of `ask`.")


def current(agent: "Agent") -> Turn:
    turn = agent.__pydantic_private__["_turn"] if agent.__pydantic_private__ else None
    if turn is None:
        raise RuntimeError(
            "this works only inside a handler, while its turn lasts: hooks have `self.address` and `self.log` only. "
            "From outside, use an AgentRef of a client."
        )
    return turn  # type: ignore[no-any-return]
