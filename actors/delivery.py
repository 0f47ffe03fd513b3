"""One host's agents: what comes in for them, what they do to the outside, which of them are in memory.

The invariant: a message is answered with an acceptance or a reply only after the store has it. Everything that is
in memory here can be lost at any moment, and another host goes on from the store.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol, assert_never
from uuid import UUID

from .activation import Activation, failed, text_of
from .address import AgentAddress
from .agent import Agent, Bounds, Handler, agent_class
from .batching import Batcher
from .envelope import Accepted, Envelope, Replied
from .errors import AgentFailed, Busy, DatabaseLost, MailboxFull, Moved, OutcomeUnknown, Rejected, ResproutError
from .fullness import mailbox_full, refuse_unfit, tenant_full
from .ids import derived_id
from .lanes import Lane, Pending
from .logger import get_logger
from .mailbox import Answer, Entry
from .poison import Poisoned
from .reminders import fire
from .runners import Runners
from .shards import HostSeen, Lease, Shard, View, by_slot, shard_of
from .store import (
    AcceptOutcome,
    Arrival,
    Arrived,
    Beginning,
    Collected,
    Committed,
    DueReminder,
    Fenced,
    Fired,
    Full,
    Handled,
    Held,
    Snapshot,
    Store,
    Unreadable,
)
from .turn import Effects, refuse_cycle, refuse_large
from .waiting import wait_until_set

log = get_logger("resprout.host")

LOOK_FOR_MAIL_EVERY = 1.0  # the safety net under wakes that are lost
LOOK_FOR_REMINDERS_EVERY = 10.0
LOOK_FOR_LATE_TURNS_EVERY = 0.25
LOOK_FOR_IDLE_AGENTS_EVERY = 2.0
GOODBYE_SECONDS = 5.0  # what `passivated` may take: a shard is given back after those of all its agents
FULL_AGAIN_AFTER = 1.0
PAGE = 1_000
# A message may be innocent of the death of the host that it was in its turn on; not of so many.
FEWEST_DEATHS = 3


@dataclass(frozen=True)
class Limits:
    lease: timedelta = timedelta(seconds=5)
    margin: timedelta = timedelta(seconds=1)
    lanes: int = 2
    most_in_memory: int = 20_000  # agents
    idle: timedelta = timedelta(minutes=5)
    mail_in_memory: int = 50_000  # told messages
    mail_of_one_agent: int = 1_000  # of these; the rest waits in the store, so that slow ones leave room for the others
    tenant_rows: int = 1_000_000
    tenant_bytes: int = 4_000_000_000


class Outside(Protocol):
    """What a host needs from the world besides the store."""

    async def ask(self, envelope: Envelope) -> Replied: ...

    async def tell(self, envelope: Envelope, until: datetime) -> None: ...

    def wake(self, host: HostSeen) -> None:
        """There may be mail for it. May get lost."""
        ...


class Delivery:
    def __init__(
        self,
        host: UUID,
        store: Store,
        outside: Outside,
        clock: Callable[[], datetime],
        limits: Limits = Limits(),
    ) -> None:
        self.host = host
        self.store = store
        self.outside = outside
        self.clock = clock
        self.limits = limits
        self.lease = Lease(limits.lease, limits.margin)
        self.loop = asyncio.get_running_loop()
        self.now = self.loop.time
        self.held: dict[int, Held] = {}
        self.closed: set[int] = set()  # held shards that take nothing: not open yet, or on their way out
        # Under these epochs the store may have marked rows as in memory here that are not: an answer of it was lost.
        # Nothing is taken in for them, it would overtake those rows, until they are claimed anew.
        self.doubted: set[Held] = set()
        self.on_doubt: Callable[[], None] = lambda: None
        self.leaving: set[int] = set()  # those of them on their way out: nothing is put into memory for them
        self.shards: dict[tuple[str, int], Shard] = {}
        self.view = View({}, (), {})
        self.active: dict[AgentAddress, Activation] = {}
        self.running: dict[Activation, float] = {}
        self.runners = Runners()
        self.lanes = [Lane(store, host, self._may_write) for _ in range(limits.lanes)]
        self.arrivals: Batcher[Arrival, AcceptOutcome | Rejected] = Batcher(self._fenced_accept)
        self.beginnings: Batcher[Beginning, bool] = Batcher(partial(store.begin, host))
        self.reads: Batcher[AgentAddress, Snapshot] = Batcher(store.load)
        self.lookups: Batcher[tuple[AgentAddress, UUID], Replied | None] = Batcher(store.replies)
        self.recent: OrderedDict[tuple[AgentAddress, int], Replied] = OrderedDict()  # of ephemeral agents
        self.mail = 0
        self.turns = 0
        self.tenants: dict[str, list[int]] = {}
        self.behind = False  # more mail is in the store than fits here: new mail queues up behind it
        self.deep: set[Activation] = set()  # with more in the store than they may have here, or in quarantine
        self.mail_waits = asyncio.Event()
        self.after_mail: list[tuple[Activation, Entry]] = []  # asks that wait until the store's mail is in memory
        self.reminders_changed = asyncio.Event()
        self.full: dict[tuple[AgentAddress, str], float] = {}  # reminders of full mailboxes, and when to try again
        self.tasks: set[asyncio.Task[Any]] = set()

    # What comes in.

    def receive(self, envelope: Envelope, answer: Answer) -> None:
        """Answers once, now or later: Replied or Accepted when it is durable, Failed when nothing was done."""
        try:
            self._admit(envelope, answer)
        except (Busy, MailboxFull) as error:
            if envelope.way == "ask" and envelope.attempt > 1:
                self.spawn(self._look_before_refusing(envelope, answer, error))
            else:
                answer(failed(error))
        except ResproutError as error:
            answer(failed(error))

    async def _look_before_refusing(self, envelope: Envelope, answer: Answer, refusal: ResproutError) -> None:
        """ "Nothing was done" would be wrong of a message that was handled when it came before."""
        try:
            reply = await self.reply_of(AgentAddress.parse(envelope.recipient), envelope.id)
        except ResproutError as error:
            answer(failed(error))
        else:
            answer(reply or failed(refusal))

    def _admit(self, envelope: Envelope, answer: Answer) -> None:
        address = AgentAddress.parse(envelope.recipient)
        kind = agent_class(address.kind)
        handler = kind.handler_of(envelope.type)
        held = self._held_of(address)
        if envelope.chain:
            refuse_cycle(envelope.chain, envelope.recipient)
        refuse_large(envelope.body, "`%s` to %s", envelope.type, address)
        activation = self._activation(address, kind, held)
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
        if envelope.way == "ask":
            known.answers.append(answer)
        elif known.envelope.way == "tell":
            answer(Accepted())
        else:
            raise Busy(f"message {envelope.id} to {envelope.recipient} is being asked; it cannot also be told.")

    def _enqueue(self, activation: Activation, envelope: Envelope, answer: Answer) -> None:
        """What needs no place in the store before its turn: asks, and everything for ephemeral agents."""
        self._check_room(activation, envelope, len(activation.mailbox))
        if envelope.way == "tell":
            answer(Accepted())
            activation.mailbox.put(entry := Entry(envelope))
            self._count(entry, 1)
        elif (activation.behind or self.behind or envelope.chain) and not activation.kind.options.ephemeral:
            self._ask_after_mail(activation, Entry(envelope, answers=[answer]))
            return
        else:
            activation.mailbox.put(entry := Entry(envelope, answers=[answer]))
            self._count(entry, 1)
        activation.start()

    def _ask_after_mail(self, activation: Activation, entry: Entry) -> None:
        """The asker may have told something before that is in the store and not here yet: it shall not be overtaken.

        An agent's tells are written by its own commits, and the host hears of them later than of its asks.
        """
        activation.mailbox.know(entry)
        self._count(entry, 1)
        self.after_mail.append((activation, entry))
        self.mail_waits.set()

    def _held_of(self, address: AgentAddress) -> Held:
        shard = self._shard_of(address)
        held = self.held.get(shard.id) if shard is not None else None
        if held is None or held.id in self.closed or held in self.doubted:
            raise Moved(f"{address} is not on this host. Ask again.")
        return held

    def _kept(self, address: AgentAddress) -> Held | None:
        """The shard's hold, unless whoever has the shard next collects everything anew."""
        shard = self._shard_of(address)
        held = self.held.get(shard.id) if shard is not None else None
        return None if held is None or held.id in self.leaving or held in self.doubted else held

    def _shard_of(self, address: AgentAddress) -> Shard | None:
        return shard_of(address, self.shards)

    def _activation(self, address: AgentAddress, kind: type[Agent], held: Held) -> Activation:
        activation = self.active.get(address)
        if activation is None:
            activation = self.active[address] = Activation(self, address, kind, held)
            activation.used_at = self.now()
        return activation

    def _joins(self, handler: Handler, activation: Activation, envelope: Envelope, answer: Answer) -> bool:
        if handler.busy == "reject":
            raise Busy(f"{activation.address} is busy, and `{envelope.type}` does not wait. Try again later.")
        for entry in activation.mailbox:
            same = entry.envelope.type == envelope.type and entry.envelope.body == envelope.body
            if same and entry not in activation.uncommitted:
                self._check_room(activation, envelope, len(activation.mailbox))
                joined = Entry(envelope, answers=[answer])
                entry.joined = (*entry.joined, joined)
                activation.mailbox.know(joined)
                self._count(joined, 1)
                return True
        return False

    def _accept(self, activation: Activation, envelope: Envelope, answer: Answer) -> None:
        bounds: tuple[int, int] | None = None
        refusal: MailboxFull | None = None
        in_memory = not self.behind and not activation.behind  # it must not overtake what waits there
        if not in_memory:
            bounds = (activation.kind.options.bounds.rows, activation.kind.options.bounds.bytes)
        try:
            self._check_room(activation, envelope, activation.mailbox.rows + activation.arriving)
        except MailboxFull as error:
            if envelope.attempt == 1:
                raise
            refusal = error
            in_memory, bounds = False, (0, 0)  # the store has it already, or finds no room for it
        if not in_memory:
            activation.left_out.add(envelope.id)
        activation.arriving += 1
        arrival = Arrival(
            activation.held,
            activation.address,
            envelope,
            in_memory,
            bounds,
        )
        self.arrivals.submit(arrival).add_done_callback(partial(self._arrived, activation, arrival, answer, refusal))

    def _check_room(self, activation: Activation, envelope: Envelope, waiting: int) -> None:
        bounds = activation.kind.options.bounds
        refuse_unfit(envelope.type, len(envelope.body), activation.address, bounds)
        if waiting >= bounds.rows:
            raise mailbox_full(str(activation.address), "rows", bounds)
        if activation.mailbox.bytes + len(envelope.body) > bounds.bytes:
            raise mailbox_full(str(activation.address), "bytes", bounds)
        self._check_tenant(envelope)

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
            if self.held.get(arrival.held.id) == arrival.held:
                self._doubt([arrival.held])
            answer(failed(error if isinstance(error, OutcomeUnknown) else DatabaseLost(f"not known: {error!r}")))
            return
        outcome = result.result()
        match outcome:
            case Rejected():
                answer(failed(outcome))
            case Fenced():
                self.lost(arrival.held)
                answer(failed(Moved(f"{arrival.address} has moved to another host. Ask again.")))
            case Full(recipient, bound):
                answer(failed(refusal or mailbox_full(recipient, bound, activation.kind.options.bounds)))
            case Arrived(new):
                answer(Accepted())
                if new and not arrival.in_memory:
                    self.mail_waits.set()
                elif new and self.held.get(arrival.held.id) == arrival.held:
                    self._put_again(arrival.address, Entry(arrival.envelope, stored=True))
            case never:
                assert_never(never)

    async def _fenced_accept(self, arrivals: Sequence[Arrival]) -> Sequence[AcceptOutcome | Rejected]:
        if not self._may_write():
            return [Fenced()] * len(arrivals)
        try:
            return await self.store.accept(self.host, arrivals)
        except Rejected as error:  # something in it cannot be stored: it is found, and refused alone
            if len(arrivals) == 1:
                return [error]
            return [(await self._fenced_accept([arrival]))[0] for arrival in arrivals]

    def _put_stored(self, activation: Activation, entry: Entry) -> None:
        if activation.closing:
            activation.left_over.append(entry)
            return
        # The message came twice, and this is the row of the second one, put after the commit of the first, of which we
        # are yet to hear; its own commit sweeps it out.
        if activation.mailbox.find(entry.envelope.id) is not None:
            self.later(0.05, self._put_again, activation.address, entry)
            return
        activation.mailbox.put(entry)
        self.mail += 1
        self._count(entry, 1)
        if activation.mailbox.rows >= self.limits.mail_of_one_agent:
            self.left_behind(activation)
        activation.start()

    def left_behind(self, activation: Activation) -> None:
        """What is told to the agent goes to the store alone, until all that is there is here."""
        activation.more_waits = True
        self.deep.add(activation)

    def _has_its_share(self, activation: Activation) -> bool:
        return activation.mailbox.rows > self.limits.mail_of_one_agent // 2

    def _count(self, entry: Entry, one: int) -> None:
        """Of what waits in this host's memory for a tenant, told or asked: one more, or (-1) one less."""
        counts = self.tenants.get(entry.envelope.tenant)
        if counts is None:
            counts = self.tenants[entry.envelope.tenant] = [0, 0]
        counts[0] += one
        counts[1] += one * len(entry.envelope.body)

    def forget(self, activation: Activation, entry: Entry) -> None:
        """The message is done with, or not ours any more."""
        if activation.mailbox.find(entry.envelope.id) is None:
            return
        activation.mailbox.remove(entry)
        self._count(entry, -1)
        if entry.stored:
            self.mail -= 1
            if self.behind and self.mail < self.limits.mail_in_memory // 2:
                self.mail_waits.set()
            if activation.more_waits and not self._has_its_share(activation):
                self.mail_waits.set()

    def waiting(self) -> dict[str, tuple[int, int]]:
        self.tenants = {tenant: counts for tenant, counts in self.tenants.items() if counts[0]}
        return {tenant: (rows, size) for tenant, (rows, size) in self.tenants.items()}

    def _check_tenant(self, envelope: Envelope) -> None:
        rows, size = self.tenants.get(envelope.tenant, (0, 0))
        more_rows, more_bytes = self.view.backlog.get(envelope.tenant, (0, 0))
        if rows + more_rows >= self.limits.tenant_rows:
            raise tenant_full(envelope.tenant, "rows", rows + more_rows)
        if size + more_bytes + len(envelope.body) > self.limits.tenant_bytes:
            raise tenant_full(envelope.tenant, "bytes", size + more_bytes)

    # What activations need.

    def lane_of(self, held: Held) -> Lane:
        return self.lanes[held.id % len(self.lanes)]

    def begins(self, activation: Activation) -> None:
        self.running[activation] = self.now()

    def ends(self, activation: Activation) -> None:
        self.running.pop(activation, None)

    async def writes_down(self, activation: Activation, entry: Entry) -> bool:
        """That the turn of a suspect begins: it may be what ends this host. False if it is not ours to begin."""
        kept = await self.beginnings.submit(Beginning(activation.held, activation.address, entry.envelope.id))
        if not kept:
            self.lost(activation.held)
        return kept

    async def read(self, activation: Activation) -> Snapshot:
        if activation.kind.options.ephemeral:
            return Snapshot(None, 1, 0)
        return await self.reads.submit(activation.address)

    async def reply_of(self, address: AgentAddress, message_id: UUID) -> Replied | None:
        if agent_class(address.kind).options.ephemeral:
            return self.recent.get((address, message_id.int))
        return await self.lookups.submit((address, message_id))

    async def ask(self, envelope: Envelope) -> Replied:
        if envelope.deadline is None:
            envelope = envelope.model_copy(update={"deadline": self.clock() + timedelta(seconds=30)})
        return await self.outside.ask(envelope)

    def committed(self, turns: Sequence[Pending], outcome: Committed) -> None:
        self.turns += len(turns)
        for shard_id in outcome.woken:
            self._wake(shard_id)
        for turn in turns:
            effects = turn.handled.effects
            if effects is not None:
                if effects.reminders:
                    self.reminders_changed.set()
                self._tell_ephemeral(effects.sent)

    async def send_at_once(self, effects: Effects, deadline: datetime | None) -> None:
        """What an ephemeral agent tells: there is no commit that it could go out with."""
        until = deadline or self.clock() + timedelta(seconds=30)
        for envelope in effects.sent:
            await self.outside.tell(envelope, until)

    def applied(self, activation: Activation, entry: Entry, handled: Handled) -> None:
        """An ephemeral agent's turn has ended: it is in memory, which is all that was promised."""
        self.turns += 1
        self.recent[activation.address, entry.envelope.id.int] = handled.reply
        if len(self.recent) > self.limits.most_in_memory:
            self.recent.popitem(last=False)
        activation.heat += 1
        activation.done(entry, handled.reply)

    def _tell_ephemeral(self, sent: Iterable[Envelope]) -> None:
        for envelope in sent:
            if is_ephemeral(envelope.recipient):
                until = self.clock() + timedelta(seconds=10)
                self.spawn(self.outside.tell(envelope, until))

    def _wake(self, shard_id: int) -> None:
        if shard_id in self.held:
            self.mail_waits.set()
            return
        shard = next((shard for shard in self.view.shards if shard.id == shard_id), None)
        if shard is not None and shard.host is not None and (host := self.view.hosts.get(shard.host)) is not None:
            self.outside.wake(host)

    async def postpone(self, activation: Activation, entry: Entry, error: ResproutError, pause: timedelta) -> bool:
        kept = await self.store.postpone(
            self.host, activation.held, activation.address, entry.envelope.id, entry.attempts, text_of(error), pause
        )
        if not kept:
            self.lost(activation.held)
        return kept

    async def bury(self, activation: Activation, entry: Entry, error: ResproutError) -> None:
        supervision = activation.kind.options.supervision
        letter = None
        if supervision.escalate_to is not None:
            letter = self._letter(activation, entry, error, supervision.escalate_to)
        buried = await self.store.bury(
            self.host,
            activation.held,
            activation.address,
            entry.envelope.id,
            entry.attempts,
            text_of(error),
            quarantine=supervision.quarantine,
            tell=letter,
        )
        if not buried:
            self.lost(activation.held)
            return
        log.error("message buried", agent=str(activation.address), message=str(entry.envelope.id), error=str(error))
        if supervision.quarantine:
            activation.set_aside(text_of(error))
        activation.done(entry, failed(error))
        if letter is not None:
            self._wake(letter[0])

    def _letter(
        self, activation: Activation, entry: Entry, error: ResproutError, supervisor: str
    ) -> tuple[int, AgentAddress, Envelope] | None:
        address = AgentAddress.parse(supervisor)
        shard = self._shard_of(address)
        if shard is None:
            return None
        poisoned = Poisoned(
            agent=str(activation.address),
            message_id=entry.envelope.id,
            message_type=entry.envelope.type,
            error=text_of(error),
            attempts=entry.attempts,
        )
        envelope = Envelope(
            # Of this death: a message that is replayed may die again, and its supervisor has handled the first letter.
            id=derived_id(entry.envelope.id, f"poison:{activation.address}:{self.clock().isoformat()}"),
            way="tell",
            recipient=supervisor,
            sender=str(activation.address),
            type=poisoned.message_name,
            body=poisoned.model_dump_json(),
            priority="high",
            tenant=entry.envelope.tenant,
            correlation=entry.envelope.correlation or entry.envelope.id,
            causation=entry.envelope.id,
        )
        return shard.id, address, envelope

    def broke(self, activation: Activation) -> None:
        """Its rows count as in memory and are not any more: they are collected again, under a new epoch."""
        self.deep.discard(activation)
        if self.active.get(activation.address) is activation:
            del self.active[activation.address]
        if self.held.get(activation.held.id) == activation.held:
            self._doubt([activation.held])

    def later(self, seconds: float, call: Callable[..., None], *args: Any) -> None:
        self.loop.call_later(seconds, call, *args)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("background work failed", error=f"{type(error).__name__}: {error}")

    def _may_write(self) -> bool:
        return self.lease.holds(self.now())

    # Shards that come and go.

    def see(self, view: View) -> None:
        self.view = view
        self.shards = by_slot(view.shards)
        mine = {shard.id: shard.epoch for shard in view.shards if shard.host == self.host}
        for held in list(self.held.values()):
            if mine.get(held.id) != held.epoch:
                self.lost(held)
        self.own([Held(*one) for one in mine.items() if one[0] not in self.held])

    def own(self, held: Sequence[Held]) -> None:
        """Opens as soon as the mail that waits in the store is ahead of all that will come."""
        new = [one for one in held if one.id not in self.held]
        if not new:
            return
        self.held.update({one.id: one for one in new})
        self.closed.update(one.id for one in new)
        self.spawn(self._open(new))

    async def _open(self, new: Sequence[Held]) -> None:
        while not await self._collect(new):
            if self.behind:
                break
        for held in new:
            if self.held.get(held.id) == held and held.id not in self.leaving:
                self.closed.discard(held.id)
        self.reminders_changed.set()
        if self.behind:
            self.mail_waits.set()

    async def leave(self, held: Held) -> None:
        """Ends what runs in the shard. Afterwards nothing here touches it, and it can be given back."""
        self.closed.add(held.id)
        self.leaving.add(held.id)
        await self.end_turns(held)
        for activation in self._in(held):
            await self._put_away(activation)

    async def end_turns(self, held: Held) -> None:
        """No agent in the shard begins another one; what waits is refused, or taken from the store again."""
        await asyncio.gather(*(activation.close() for activation in self._in(held)))

    def longest_turn(self, held: Held) -> float:
        """For how many seconds a turn in the shard has lasted; 0 if none runs."""
        began = [began for activation, began in self.running.items() if activation.held == held]
        return max(self.now() - min(began), 0.001) if began else 0.0

    def left(self, held: Held) -> None:
        """It was given back."""
        self._no_longer(held)

    def lost(self, held: Held) -> None:
        log.warning("shard lost", shard=held.id, epoch=held.epoch)
        self._no_longer(held)

    def _no_longer(self, held: Held) -> None:
        """What is in memory under this epoch goes, even when the shard is ours again under a newer one."""
        self.doubted.discard(held)
        if self.held.get(held.id) == held:
            del self.held[held.id]
            self.closed.discard(held.id)
            self.leaving.discard(held.id)
        for activation in self._in(held):
            activation.cut(Moved(f"{activation.address} has moved to another host. Ask again."))
            self.active.pop(activation.address, None)
            self.deep.discard(activation)

    def lose_all(self) -> None:
        for held in list(self.held.values()):
            self.lost(held)

    def _in(self, held: Held) -> list[Activation]:
        return [activation for activation in self.active.values() if activation.held == held]

    # What runs all the time.

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._collect_forever())
            tasks.create_task(self._remind_forever())
            tasks.create_task(self._stop_late_turns_forever())
            tasks.create_task(self._put_idle_away_forever())

    async def _collect_forever(self) -> None:
        while True:
            await wait_until_set(self.mail_waits, LOOK_FOR_MAIL_EVERY)
            self.mail_waits.clear()
            await self._collect_for_asks()
            while not await self._collect(list(self._open_shards())):
                if self.behind:
                    break

    async def _collect_for_asks(self) -> None:
        """All mail of those who are asked, whether there is room or not: the asker may be what keeps it full."""
        waited, self.after_mail = self.after_mail, []
        asked = [activation for activation, _ in waited if self._kept(activation.address) == activation.held]
        held, addresses = {activation.held for activation in asked}, {activation.address for activation in asked}
        taken: int | None = PAGE
        while asked and taken == PAGE and self._may_write():
            taken = await self._take_from_store(list(held), PAGE, list(addresses))
        if asked and (taken is None or taken == PAGE):
            return  # the lease or the shards are lost, and with them who waits
        for activation, entry in waited:
            if activation.mailbox.find(entry.envelope.id) is entry:
                activation.mailbox.line_up(entry)
                activation.start()

    async def _collect(self, held: Sequence[Held]) -> bool:
        """Whether there is no more to collect."""
        room = self.limits.mail_in_memory - self.mail
        if room <= 0:
            self.behind = True
            return False
        held = [one for one in held if one not in self.doubted]
        if not held or not self._may_write():
            return True
        satisfied = {one for one in self.deep if self._has_its_share(one)}
        hungry = self.deep - satisfied
        but = [activation.address for activation in satisfied]
        rows = await self._take_from_store(held, most := min(PAGE, room, self.limits.mail_of_one_agent), but=but)
        if rows is None:
            await asyncio.sleep(LOOK_FOR_MAIL_EVERY / 5)
            return False
        if rows < most and self._open_shards() <= set(held):
            self.behind = False
        if rows < most:
            self._caught_up(activation for activation in hungry if activation.held in held)
        return rows < most

    def _caught_up(self, hungry: Iterable[Activation]) -> None:
        """All of their mail is here, unless they are deep again."""
        for activation in hungry:
            if activation.mailbox.rows < self.limits.mail_of_one_agent and activation.quarantined is None:
                activation.more_waits = False
                self.deep.discard(activation)

    def _open_shards(self) -> set[Held]:
        """Those for which messages are taken in: none of them may have older mail in the store, or all is behind."""
        return {one for one in self.held.values() if one.id not in self.closed and one not in self.doubted}

    async def _take_from_store(
        self,
        held: Sequence[Held],
        most: int,
        only: Sequence[AgentAddress] | None = None,
        but: Sequence[AgentAddress] = (),
    ) -> int | None:
        """How many messages were taken into memory; None when that is not known."""
        try:
            rows = await self.store.collect(self.host, held, most, only, but)
        except ResproutError as error:
            self._doubt(one for one in held if self.held.get(one.id) == one)
            log.warning("mail not collected yet", error=str(error))
            return None
        for row in rows:
            try:
                self._take_in(row)
            except Exception:  # the others come into memory all the same
                log.exception("mail not taken in", agent=str(row.address))
        return len(rows)

    def _doubt(self, held: Iterable[Held]) -> None:
        self.doubted.update(held)
        self.on_doubt()

    def _take_in(self, row: Collected | Unreadable, doubtful: bool = False) -> None:
        held = self._kept(row.address)
        if held != row.held:
            return  # lost in the meantime: whoever has it next collects the row again
        if isinstance(row, Unreadable):
            self.spawn(self._bury_untaken(row))
            return
        try:
            kind = agent_class(row.address.kind)
        except ResproutError as error:
            self.spawn(self._bury_untaken(Unreadable(row.held, row.address, row.envelope.id, row.attempts, str(error))))
            return
        activation = self._activation(row.address, kind, held)
        activation.left_out.discard(row.envelope.id)
        if (known := activation.mailbox.find(row.envelope.id)) is not None and not known.stored:
            self.later(0.05, self._take_in, row, True)  # it is being asked; then the row is not needed, or next
            return
        if known is not None:  # a person released or replayed it
            activation.forget_state()
            activation.mailbox.unhold(known)
            activation.start()
            return
        entry = Entry(row.envelope, stored=True, attempts=row.attempts, suspect=row.suspect, doubtful=doubtful)
        if row.attempts >= max(kind.options.supervision.attempts, FEWEST_DEATHS):
            entry.refused = AgentFailed(
                f"{row.address} was in the turn of `{row.envelope.type}` when its host died, again and again."
            )
        self._put_stored(activation, entry)
        if activation.closing:
            return
        wait = (row.due - self.clock()).total_seconds() if row.due is not None else 0
        if wait > 0:
            activation.withhold(entry)
            self.later(wait, activation.try_again, entry)

    async def _bury_untaken(self, row: Unreadable) -> None:
        try:
            await self.store.bury(
                self.host, row.held, row.address, row.message, row.attempts, row.error, quarantine=False, tell=None
            )
        except OutcomeUnknown as error:  # the row counts as in memory, and nobody has it
            log.warning("mail that cannot be read is not buried yet", error=str(error))
            if self.held.get(row.held.id) == row.held:
                self._doubt([row.held])
        else:
            log.error("message buried", agent=str(row.address), message=str(row.message), error=row.error)

    async def _remind_forever(self) -> None:
        while True:
            self.reminders_changed.clear()
            pause = await self._remind()
            await wait_until_set(self.reminders_changed, pause)

    async def _remind(self) -> float:
        """Fires what is due. Returns the seconds until there may be more."""
        held = list(self.held.values())
        if not held or not self._may_write():
            return LOOK_FOR_REMINDERS_EVERY / 10
        try:
            self.full = {one: until for one, until in self.full.items() if until > self.now()}
            due, next_due = await self.store.due(held, self.clock(), PAGE + len(self.full))
            fired = [await self._fire(one) for one in due if (one.address, one.reminder.name) not in self.full]
        except ResproutError as error:
            log.warning("reminders wait for the store", error=str(error))
            return LOOK_FOR_REMINDERS_EVERY / 10
        if any(fired):
            self.mail_waits.set()
            return 0.0 if all(fired) else LOOK_FOR_REMINDERS_EVERY / 10
        if fired or self.full:
            return LOOK_FOR_REMINDERS_EVERY / 10
        if next_due is None:
            return LOOK_FOR_REMINDERS_EVERY
        return min(LOOK_FOR_REMINDERS_EVERY, max(0.0, (next_due - self.clock()).total_seconds()))

    async def _fire(self, due: DueReminder) -> bool:
        """False when this one cannot be fired now, which shall not keep the others from it."""
        try:
            firing = fire(due.reminder, self.clock())
            ticks = [_tick(due, at) for at in firing.ticks]
            outcome = await self.store.fire(self.host, due, ticks, firing.next_due, room_of(due.address))
        except OutcomeUnknown:
            raise
        except Exception:
            log.exception("a reminder cannot be fired", agent=str(due.address), reminder=due.reminder.name)
            return False
        if isinstance(outcome, Full):
            self.full[due.address, due.reminder.name] = self.now() + FULL_AGAIN_AFTER
        return isinstance(outcome, Fired)

    async def _stop_late_turns_forever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_FOR_LATE_TURNS_EVERY)
            self._stop_late_turns()

    async def _put_idle_away_forever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_FOR_IDLE_AGENTS_EVERY)
            await self._put_idle_away()

    def _stop_late_turns(self) -> None:
        if not self.running:
            return
        now, clock = self.now(), self.clock()
        for activation, began in list(self.running.items()):
            entry = activation.now
            if entry is None:
                continue
            deadline = entry.envelope.deadline
            if (deadline is not None and clock > deadline) or (
                now - began > activation.kind.options.turn_timeout.total_seconds()
            ):
                activation.stop_turn()

    async def _put_idle_away(self) -> None:
        """Those that were idle for long; and when there are too many, those least in use."""
        oldest = self.now() - self.limits.idle.total_seconds()
        idle = [activation for activation in self.active.values() if activation.idle]
        too_many = len(self.active) - self.limits.most_in_memory
        if too_many > 0:
            idle.sort(key=lambda activation: (activation.heat, activation.used_at))
        for number, activation in enumerate(idle):
            if (number < too_many or activation.used_at < oldest) and activation.idle:
                await self._put_away(activation)
            activation.heat //= 2

    async def stop(self, address: AgentAddress) -> bool:
        """Takes an agent out of memory after the turn it is in. Whether it was there."""
        activation = self.active.get(address)
        if activation is None:
            return False
        waiting = await activation.close()
        self._hand_over(activation, waiting)
        await self._put_away(activation)
        return True

    def _hand_over(self, activation: Activation, waiting: Sequence[Entry]) -> None:
        """Told messages do not go away with the agent: they are the first of its next activation, in their order."""
        if self.active.get(activation.address) is not activation:
            return  # its shard was lost meanwhile
        del self.active[activation.address]
        held = self._kept(activation.address)
        left = [*waiting, *activation.left_over]
        self.deep.discard(activation)
        if held is None or not (left or activation.behind):
            return
        after = self._activation(activation.address, activation.kind, held)
        if activation.more_waits:
            self.left_behind(after)
        after.left_out = activation.left_out  # shared: those that are on their way into the store are struck out of it
        for entry in left:
            self._put_stored(after, entry)

    def _put_again(self, address: AgentAddress, entry: Entry) -> None:
        held = self._kept(address)
        if held is not None:
            self._put_stored(self._activation(address, agent_class(address.kind), held), entry)

    async def _put_away(self, activation: Activation) -> None:
        activation.closing = True
        self.deep.discard(activation)
        if self.active.get(activation.address) is activation:
            del self.active[activation.address]
        if activation.agent is not None:
            try:
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await activation.agent.passivated()
            except Exception:
                log.exception("passivated() failed", agent=str(activation.address))


def is_ephemeral(recipient: str) -> bool:
    try:
        return agent_class(AgentAddress.parse(recipient).kind).options.ephemeral
    except ResproutError:
        return False


def room_of(address: AgentAddress) -> tuple[int, int]:
    """Rows and bytes that may wait for it. A kind that is not known here may be known elsewhere."""
    try:
        bounds = agent_class(address.kind).options.bounds
    except ResproutError:
        bounds = Bounds()
    return bounds.rows, bounds.bytes


def _tick(due: DueReminder, at: datetime) -> Envelope:
    reminder = due.reminder
    return Envelope(
        id=derived_id(reminder.id, at.isoformat()),
        way="tell",
        recipient=str(due.address),
        sender=str(due.address),
        type=reminder.type,
        version=reminder.version,
        body=reminder.body,
        tenant=reminder.tenant,
        correlation=reminder.id,
        causation=reminder.id,
    )
