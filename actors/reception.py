"""What comes in for the agents of a host: asks and told messages, from other agents and from callers.

The invariant: a told message is answered with an acceptance only after the store has it, an ask is refused only when
nothing was done, and neither overtakes what its sender sent before.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import assert_never

from .activation import Activation
from .address import AgentAddress
from .backlog import Backlog
from .batching import Batcher
from .collection import Collection
from .envelope import Accepted, Envelope, failed
from .errors import (
    Busy,
    DatabaseLost,
    MailboxFull,
    Moved,
    NewerVersion,
    NotRunning,
    OutcomeUnknown,
    Rejected,
    ResproutError,
    UnknownKind,
    UnknownMessage,
)
from .fullness import mailbox_full
from .handlers import Handler
from .holdings import Holdings
from .kinds import agent_class
from .mailbox import Answer, Entry
from .marks import digest_of, refuse_another
from .population import Population
from .records import Records
from .station import Station
from .store import AcceptOutcome, Arrival, Arrived, Fenced, Full, Held
from .strangers import Strangers
from .turn import refuse_cycle, refuse_large


class Reception:
    def __init__(
        self,
        station: Station,
        holdings: Holdings,
        population: Population,
        backlog: Backlog,
        collection: Collection,
        records: Records,
        strangers: Strangers,
        lose: Callable[[Held], None],
    ) -> None:
        self.station = station
        self.holdings = holdings
        self.population = population
        self.backlog = backlog
        self.collection = collection
        self.records = records
        self.strangers = strangers
        self.lose = lose
        self.arrivals: Batcher[Arrival, AcceptOutcome | Rejected] = Batcher(self._accept_fenced)

    def receive(self, envelope: Envelope, answer: Answer) -> None:
        """Answers once, now or later: Replied or Accepted when it is durable, Failed when nothing was done."""
        try:
            self._admit(envelope, answer)
        except (Busy, MailboxFull) as error:
            if envelope.way == "ask" and envelope.attempt > 1:
                self.station.background.spawn(self._look_before_refusing(envelope, answer, error))
            else:
                answer(failed(error))
        except (UnknownKind, UnknownMessage) as error:
            self.station.background.spawn(self._look_who_knows(envelope, answer, error))
        except ResproutError as error:
            answer(failed(error))

    async def _look_who_knows(self, envelope: Envelope, answer: Answer, refusal: Rejected) -> None:
        """What newer code takes is no mistake of the caller: it comes too early, this host is yet to be replaced."""
        if await self.strangers.known_elsewhere(AgentAddress.parse(envelope.recipient).kind, envelope.type):
            answer(
                failed(
                    NewerVersion(
                        f"the host that has {envelope.recipient} runs older code than another one, and does not know "
                        f"`{envelope.type}` to it. Deploy the newer code there too, and ask again."
                    )
                )
            )
        else:
            answer(failed(refusal))

    async def _look_before_refusing(self, envelope: Envelope, answer: Answer, refusal: ResproutError) -> None:
        """ "Nothing was done" would be wrong of a message that was handled when it came before."""
        try:
            reply = await self.records.reply_to(AgentAddress.parse(envelope.recipient), envelope)
        except ResproutError as error:
            answer(failed(error))
        else:
            answer(reply or failed(refusal))

    def _admit(self, envelope: Envelope, answer: Answer) -> None:
        address = AgentAddress.parse(envelope.recipient)
        kind = agent_class(address.kind)
        handler = kind.handler_of(envelope.type)
        if kind.options.hosts is not None and not self.holdings.has_pool(address):
            raise NotRunning(f"no host has {address} now: its kind has hosts of its own, and none has come up yet.")
        held = self.holdings.taking_in(address)
        if envelope.chain:
            refuse_cycle(envelope.chain, envelope.recipient)
        refuse_large(envelope.body, "`%s` to %s", envelope.type, address)
        activation = self.population.at(address, kind, held)
        if activation.closing:
            raise Moved(f"{address} is being put away. Ask again.")
        known = activation.mailbox.find(envelope.id)
        if known is not None:
            self._admit_again(known, envelope, answer)
        elif envelope.way == "tell" and not kind.options.ephemeral:
            self._accept(activation, envelope, answer)
        elif handler.busy == "queue" or activation.idle or not self._joins(handler, activation, envelope, answer):
            self._enqueue(activation, envelope, answer)

    def _admit_again(self, known: Entry, envelope: Envelope, answer: Answer) -> None:
        """The same message again, while it waits or works."""
        refuse_another(envelope, known.envelope.type, digest_of(known.envelope.version, known.envelope.body))
        if envelope.way == "ask":
            known.answers.append(answer)
        elif known.envelope.way == "tell":
            answer(Accepted())
        else:
            raise Busy(f"message {envelope.id} to {envelope.recipient} is being asked; it cannot also be told.")

    # What needs no place in the store before its turn: asks, and everything for ephemeral agents.

    def _enqueue(self, activation: Activation, envelope: Envelope, answer: Answer) -> None:
        self.backlog.check_room(activation, envelope, len(activation.mailbox))
        if envelope.way == "tell":
            answer(Accepted())
            activation.mailbox.put(entry := Entry(envelope))
            self.backlog.count(entry)
        elif (activation.behind or self.backlog.behind or envelope.chain) and not activation.kind.options.ephemeral:
            self.collection.ask_after_mail(activation, Entry(envelope, answers=[answer]))
            return
        else:
            activation.mailbox.put(entry := Entry(envelope, answers=[answer]))
            self.backlog.count(entry)
        activation.start()

    def _joins(self, handler: Handler, activation: Activation, envelope: Envelope, answer: Answer) -> bool:
        if handler.busy == "reject":
            raise Busy(f"{activation.address} is busy, and `{envelope.type}` does not wait. Try again later.")
        for entry in activation.mailbox:
            same = entry.envelope.type == envelope.type and entry.envelope.body == envelope.body
            if same and entry not in activation.uncommitted.entries:
                self.backlog.check_room(activation, envelope, len(activation.mailbox))
                joined = Entry(envelope, answers=[answer])
                entry.joined = (*entry.joined, joined)
                activation.mailbox.know(joined)
                self.backlog.count(joined)
                return True
        return False

    # What is told: first into the store.

    def _accept(self, activation: Activation, envelope: Envelope, answer: Answer) -> None:
        bounds: tuple[int, int] | None = None
        refusal: MailboxFull | None = None
        in_memory = not self.backlog.behind and not activation.behind  # it must not overtake what waits there
        if not in_memory:
            bounds = (activation.kind.options.bounds.rows, activation.kind.options.bounds.bytes)
        try:
            self.backlog.check_room(activation, envelope, activation.mailbox.rows + activation.arriving)
        except MailboxFull as error:
            if envelope.attempt == 1:
                raise
            refusal = error
            in_memory, bounds = False, (0, 0)  # the store has it already, or finds no room for it
        if not in_memory:
            activation.left_out.add(envelope.id)
        activation.arriving += 1
        arrival = Arrival(activation.held, activation.address, envelope, in_memory, bounds)
        self.arrivals.submit(arrival).add_done_callback(partial(self._arrived, activation, arrival, answer, refusal))

    async def _accept_fenced(self, arrivals: Sequence[Arrival]) -> Sequence[AcceptOutcome | Rejected]:
        if not self.station.may_write():
            return [Fenced()] * len(arrivals)
        try:
            return await self.station.store.accept(self.station.host, arrivals)
        except Rejected as error:  # something in it cannot be stored: it is found, and refused alone
            if len(arrivals) == 1:
                return [error]
            return [(await self._accept_fenced([arrival]))[0] for arrival in arrivals]

    def _arrived(
        self,
        activation: Activation,
        arrival: Arrival,
        answer: Answer,
        refusal: MailboxFull | None,  # for want of room here, if the store does not know the message
        result: "asyncio.Future[AcceptOutcome | Rejected]",
    ) -> None:
        activation.arriving -= 1
        error = result.exception()
        if error is not None or result.result() != Arrived(new=True):
            activation.left_out.discard(arrival.envelope.id)
        if error is not None:
            if self.holdings.has(arrival.held):
                self.holdings.doubt([arrival.held])
            answer(failed(error if isinstance(error, OutcomeUnknown) else DatabaseLost(f"not known: {error!r}")))
            return
        outcome = result.result()
        match outcome:
            case Rejected():
                answer(failed(outcome))
            case Fenced():
                self.lose(arrival.held)
                answer(failed(Moved(f"{arrival.address} has moved to another host. Ask again.")))
            case Full(recipient, bound):
                answer(failed(refusal or mailbox_full(recipient, bound, activation.kind.options.bounds)))
            case Arrived(new):
                answer(Accepted())
                if new and not arrival.in_memory:
                    self.backlog.mail_waits.set()
                elif new and self.holdings.has(arrival.held):
                    self.collection.put_at(arrival.address, Entry(arrival.envelope, stored=True))
            case never:
                assert_never(never)
