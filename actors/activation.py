"""One agent in memory: it takes one message at a time and moves from version to version.

The rules, and why they hold:

- A turn runs on a copy of the state. Only when its handler has ended does the copy become the agent's state.
- The next turn may begin before the last one is committed: the turns of an agent are committed in order, and each
  commit names the version that it builds on. When one fails, all that were built on it are taken back (`_reset`),
  the state is read again, and the messages are handled again. Nothing of them was seen outside: replies, messages
  and failures leave only after the commit of everything before them.
- `generation` counts the resets. A handler that was running during one finds another number than at its start, and
  what it did is forgotten.
- A message is removed from the mailbox only when its outcome is durable, so whatever goes wrong before that, it is
  handled again.
"""

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import assert_never
from uuid import UUID

from pydantic_core import PydanticSerializationError

from .address import AgentAddress
from .agent import Agent, Handler, bounds_of
from .arguments import described
from .envelope import Envelope, Failed, Replied, failed
from .errors import (
    AgentFailed,
    Broken,
    DatabaseLost,
    DeadlinePassed,
    MailboxFull,
    Moved,
    NewerVersion,
    OutcomeUnknown,
    Quarantined,
    Rejected,
    ResproutError,
)
from .fullness import mailbox_full
from .lanes import Pending
from .logger import get_logger
from .mailbox import Entry, Mailbox
from .message import Message, parse_stored
from .runners import forget_cancellation
from .store import CommitOutcome, Committed, Duplicate, Fenced, Full, Handled, Held, Superseded
from .surroundings import Surroundings
from .tracing import span, under
from .turn import Turn, refuse_large

log = get_logger("resprout.host")

MOST_UNCOMMITTED = 64
CLEAN_UP_SECONDS = 5.0  # what a handler that is stopped may take
TURNS_BEFORE_OTHERS = 8  # a busy agent lets the others in after so many


class Abandoned(BaseException):
    """The turn was built on a state that was taken back; it is done again. Not for handlers to catch."""


class Activation:
    __slots__ = (
        "__weakref__",
        "address",
        "agent",
        "arriving",
        "cautious",
        "closing",
        "committed",
        "entry",
        "generation",
        "heat",
        "held",
        "host",
        "kind",
        "left_out",
        "left_over",
        "looked_at",
        "mailbox",
        "more_waits",
        "quarantined",
        "settled",
        "started",
        "stopped_at",
        "task",
        "uncommitted",
        "used_at",
    )

    def __init__(self, host: Surroundings, address: AgentAddress, kind: type[Agent], held: Held) -> None:
        self.host = host
        self.address = address
        self.kind = kind
        self.held = held
        self.mailbox = Mailbox()
        self.arriving = 0  # told messages on their way into the store
        self.left_out: set[UUID] = set()  # told messages that are in the store and were not taken into memory
        self.more_waits = False  # there may be more in the store, of which this host knows nothing
        self.left_over: list[Entry] = []  # told messages that came while it was closing
        self.agent: Agent | None = None  # the state after the last turn taken; None: not read yet
        self.committed = 0  # the version that is durable
        self.uncommitted: list[Entry] = []  # of turns taken and not durable yet
        self.generation = 0
        self.quarantined: str | None = None
        self.looked_at = False  # by a person, who changed what the store says of it
        self.started = False
        self.task: asyncio.Task[None] | None = None  # the runner's that has it now
        self.entry: Entry | None = None  # in its turn
        self.stopped_at: float | None = None  # when the handler that runs was told to stop
        self.cautious = False
        self.closing = False
        self.settled: asyncio.Event | None = None
        self.heat = 0
        self.used_at = 0.0

    @property
    def idle(self) -> bool:
        return not self.started and not self.mailbox.known and not self.arriving and not self.behind

    @property
    def behind(self) -> bool:
        """Whether mail of it is in the store and not here: what comes now must not overtake that."""
        return bool(self.left_out) or self.more_waits

    def start(self) -> None:
        if not self.started and not self.closing:
            self.started = True
            self.host.runners.run(self)

    async def run(self) -> None:
        """Called by a runner: takes messages until there are none."""
        turns = 0
        while not self.closing and (entry := self.mailbox.take()) is not None:
            self.entry = entry
            await self._handle(entry)
            self.entry = None
            turns += 1
            if turns % TURNS_BEFORE_OTHERS == 0:
                await asyncio.sleep(0)

    def ran(self) -> None:
        self.entry = None
        self.task = None
        self.started = False
        if not self.uncommitted:
            self.cautious = False  # what could not be stored is not among the messages any more
        self.used_at = self.host.station.now()
        self._tell_settled()
        if self.mailbox.queues and not self.closing:
            self.start()  # something came between the last look and now

    async def _handle(self, entry: Entry) -> None:
        generation = self.generation
        try:
            if entry.looks_again and await self._needs_no_turn(entry):
                return
            self._refuse_late(entry.envelope)
            if self.agent is None:
                await self._read(entry.envelope)
            if self.quarantined is not None:
                self._set_aside(entry)
                return
            if entry.suspect and not await self.host.records.write_down(self, entry):
                return
            handled, after, state = await self._work(entry)
        except Abandoned:
            return
        except ResproutError as error:
            await self._failed(entry, error, generation)
            return
        except Exception as error:  # outside the handler, and this message's failure all the same: others go on
            log.exception("message failed", agent=str(self.address), message_type=entry.envelope.type)
            await self._failed(entry, self._unforeseen(entry.envelope, error), generation)
            return
        if self.generation != generation:
            return  # `_reset` has put it back
        if self.kind.options.ephemeral:
            self._apply(entry, handled, after)
        else:
            await self._submit(entry, handled, after, state)

    def _refuse_late(self, envelope: Envelope) -> None:
        if envelope.deadline is not None and self.host.station.clock() > envelope.deadline:
            raise DeadlinePassed(f"the deadline of message {envelope.id}, `{envelope.type}` to {self.address}, passed.")

    def _unforeseen(self, envelope: Envelope, error: BaseException) -> AgentFailed:
        what = f"{type(error).__name__}: {error}"
        return AgentFailed(f"{self.address} failed on `{envelope.type}`: {what}. Its state is as before.")

    def _apply(self, entry: Entry, handled: Handled, after: Agent) -> None:
        self.agent, self.committed = after, self.committed + 1
        self.host.population.turns += 1
        self.host.records.remember(self.address, entry.envelope.id, handled.reply)
        self.heat += 1
        self.done(entry, handled.reply)

    async def _submit(self, entry: Entry, handled: Handled, after: Agent, state: str) -> None:
        self.agent = after
        self.heat += 1
        self.uncommitted.append(entry)
        self.host.lane_of(self.held).submit(self, Pending(entry, handled, state))
        if len(self.uncommitted) >= (1 if self.cautious else MOST_UNCOMMITTED):
            await self.flushed()

    def _set_aside(self, entry: Entry) -> None:
        """Told messages wait in the store until the agent is released; whoever asks learns why nobody answers."""
        self.host.backlog.left_behind(self)
        joined, entry.joined = list(entry.joined), ()
        self.mailbox.back(joined)
        self.done(entry, failed(Quarantined(self._quarantine_text())))

    async def _needs_no_turn(self, entry: Entry) -> bool:
        """Whether the message was handled before; raises what keeps it from being handled."""
        if entry.refused is not None:
            error, entry.refused = entry.refused, None
            raise error
        generation = self.generation
        reply = await self.host.records.reply_of(self.address, entry.envelope.id)
        if self.generation != generation:
            raise Abandoned  # it is back in the mailbox, and not to be removed behind its back
        if reply is None:
            return False
        self.done(entry, reply)
        return True

    async def _read(self, envelope: Envelope) -> None:
        self.looked_at = False
        snapshot = await self.host.records.read(self)
        while self.looked_at:  # meanwhile: this may be how it was before
            self.looked_at = False
            snapshot = await self.host.records.read(self)
        self.committed, self.quarantined = snapshot.version, snapshot.quarantined
        if self.quarantined is not None:
            return  # nobody sees its state; every message looks again, since it may have been released
        try:
            stored = snapshot.state
            agent = self.kind.from_stored(snapshot.state_version, stored) if stored is not None else self.kind()
            with self._stoppable(envelope):
                await agent.activated()
        except ResproutError:
            raise
        except (Exception, SystemExit) as error:
            log.exception("activation failed", agent=str(self.address))
            raise AgentFailed(
                f"{self.address} cannot come into memory: {type(error).__name__}: {error}. Mend its class "
                "(`upcast`, `activated`); its state is as before."
            ) from error
        self.agent = agent

    async def _work(self, entry: Entry) -> tuple[Handled, Agent, str]:
        """Runs the handler on a copy of the state."""
        assert self.agent is not None
        envelope = entry.envelope
        handler = self.kind.handler_of(envelope.type)
        turn = Turn(self.address, envelope, self.host.station.clock, self._ask)
        after = self.agent.for_turn(turn)
        with self._stoppable(envelope):
            try:
                reply = await self._call(getattr(after, handler.method), envelope)
            except (ResproutError, Abandoned):
                raise
            except (Exception, SystemExit) as error:  # a handler does not end the host by a call of sys.exit
                log.exception("handler failed", agent=str(self.address), message_type=envelope.type)
                raise self._unforeseen(envelope, error) from error
        after.end_turn()
        handled = Handled(envelope, entry.stored, self._replied(reply, handler), turn.effects)
        if entry.joined:
            handled.joined = [(other.envelope, other.stored) for other in entry.joined]
        if self.kind.options.ephemeral:
            if turn.effects is not None:
                await self.host.outlet.send_at_once(turn.effects, envelope.deadline)
            return handled, after, ""
        return handled, after, self._as_json(after)

    async def _call(self, handler: Callable[[Message], Awaitable[object]], envelope: Envelope) -> object:
        message = parse_stored(envelope.type, envelope.version, envelope.body)
        if not envelope.trace:
            return await handler(message)
        with span(f"handle {envelope.type}", envelope.trace, **{"resprout.agent": envelope.recipient}):
            return await handler(message)

    @contextmanager
    def _stoppable(self, envelope: Envelope) -> Iterator[None]:
        """Around what a developer wrote, and nothing else: only there may `stop_turn` cancel the task."""
        task = asyncio.current_task()
        assert task is not None
        self.host.population.begins(self)
        try:
            yield
        except asyncio.CancelledError:
            if not task.cancelling():  # something in the handler was cancelled, not the turn
                raise AgentFailed(
                    f"{self.address} failed on `{envelope.type}`: something that it waited for was cancelled. "
                    "Its state is as before."
                ) from None
            if self.stopped_at is None or self.host.runners.stopped:
                raise
            forget_cancellation(task)
            raise DeadlinePassed(
                f"{self.address} worked on `{envelope.type}` until its deadline and was stopped. "
                "Its state is as before."
            ) from None
        finally:
            self.stopped_at = None
            self.host.population.ends(self)

    def _as_json(self, after: Agent) -> str:
        try:
            state = after.model_dump_json()
        except PydanticSerializationError as error:
            raise AgentFailed(
                f"the state of {self.address} cannot be stored as JSON: {error}. It is as before."
            ) from None
        refuse_large(state, "the state of %s", self.address, limit=self.kind.options.bounds.state_bytes)
        return state

    def _replied(self, reply: object, handler: Handler) -> Replied:
        if not isinstance(reply, handler.reply or type(None)):
            expected = f"a {handler.reply.__name__}" if handler.reply is not None else "None"
            raise AgentFailed(
                f"{self.kind.__name__}.{handler.method} of {self.address} must return {expected}, "
                f"and returned {described(reply)}. "
                "Mend the handler or its annotation; its state is as before."
            )
        if not isinstance(reply, Message):
            return Replied()
        try:
            body = reply.model_dump_json()
        except PydanticSerializationError as error:
            raise AgentFailed(
                f"the reply `{reply.message_name}` of {self.address} cannot be stored as JSON: {error}. "
                "Its state is as before."
            ) from None
        refuse_large(body, "the reply `%s` of %s", reply.message_name, self.address)
        return Replied(type=reply.message_name, version=reply.message_version, body=body)

    async def _ask(self, envelope: Envelope) -> Replied:
        """An ask is seen outside: so everything that this turn builds on must be durable first."""
        generation = self.generation
        if self.uncommitted:
            await self.flushed()
        if self.generation != generation:
            raise Abandoned
        return await self.host.outlet.ask(envelope)

    async def flushed(self) -> None:
        """Until every turn taken so far is durable or taken back."""
        while self.uncommitted:
            if self.settled is None:
                self.settled = asyncio.Event()
            self.settled.clear()
            await self.settled.wait()

    async def _failed(self, entry: Entry, error: ResproutError, generation: int) -> None:
        await self.flushed()
        if self.generation != generation:
            return
        if not entry.stored:
            self.done(entry, failed(error))
        else:
            await self._give_up_for_now(entry, error)

    async def _give_up_for_now(self, entry: Entry, error: ResproutError) -> None:
        """A told message that cannot be digested: later again, or to the dead letters."""
        joined, entry.joined = list(entry.joined), ()
        self.mailbox.back(joined)  # each has its own attempts
        supervision = self.kind.options.supervision
        blameless = self._is_blameless(entry, error)
        # That of an ask in its turn may have passed too: the next try has a new one.
        overdue = entry.envelope.deadline is not None and self.host.station.clock() > entry.envelope.deadline
        hopeless = overdue or isinstance(error, Rejected)
        attempts = entry.attempts
        try:
            if not blameless:
                entry.attempts += 1
            if hopeless or (not blameless and entry.attempts >= supervision.attempts):
                await self.host.burial.bury(self, entry, error)
                return
            pause = supervision.pause_after(max(entry.attempts, 1))
            if await self.host.burial.postpone(self, entry, error, pause):
                self.mailbox.postpone(entry)
                self.host.station.background.later(pause.total_seconds(), self.try_again, entry)
        except OutcomeUnknown:  # the store is away, and may have counted or buried it: say the same again
            entry.attempts, entry.refused = attempts, error
            self.mailbox.back([entry])
            await asyncio.sleep(supervision.first_pause.total_seconds())

    def _is_blameless(self, entry: Entry, error: ResproutError) -> bool:
        """It waits for new code, for the store, or for room where its turn tells something. For room not for ever:
        agents whose mailboxes are full of what they tell each other would wait until one of them gives up."""
        if not isinstance(error, MailboxFull):
            return isinstance(error, (NewerVersion, DatabaseLost))
        now = self.host.station.now()
        if entry.met_full_at is None:
            entry.met_full_at = now
        return now - entry.met_full_at < self.kind.options.supervision.patience.total_seconds()

    def withhold(self, entry: Entry) -> None:
        """The message is not due yet."""
        self.mailbox.withdraw(entry)
        self.mailbox.postpone(entry)

    def try_again(self, entry: Entry) -> None:
        if self.mailbox.find(entry.envelope.id) is entry:
            self.mailbox.resume(entry)
            self.start()

    # What the lane says of a commit.

    def commit_ended(self, turns: list[Pending], outcome: CommitOutcome) -> None:
        match outcome:
            case Committed():
                self._durable(turns, outcome)
            case Duplicate(replies):
                self._reset(doubtful=True)
                for turn in turns:
                    self._part_from_handled(turn.entry, replies)
                    if (reply := replies.get(turn.entry.envelope.id)) is not None:
                        self.mailbox.withdraw(turn.entry)
                        self.done(turn.entry, reply)
            case Superseded():
                self._reset(doubtful=True)
            case Full():
                self._refuse_one(turns, outcome)
                self._reset(doubtful=False)
            case Fenced():
                self.host.lose(self.held)
            case never:
                assert_never(never)

    def _part_from_handled(self, entry: Entry, replies: Mapping[UUID, Replied]) -> None:
        """What joined this turn and was handled before gets its own reply; it would spoil the next try as well."""
        for joined in entry.joined:
            if (reply := replies.get(joined.envelope.id)) is not None:
                self.done(joined, reply)
        entry.joined = tuple(joined for joined in entry.joined if joined.envelope.id not in replies)

    def _durable(self, turns: list[Pending], outcome: Committed) -> None:
        self.committed += len(turns)
        del self.uncommitted[: len(turns)]
        for turn in turns:
            if turn.entry.envelope.run is not None:
                self._log_handled(turn.entry.envelope)
            self.done(turn.entry, turn.handled.reply)
        self.host.population.turns += len(turns)
        self.host.outlet.committed(turns, outcome)
        self._tell_settled()

    def _log_handled(self, envelope: Envelope) -> None:
        """A line for each step of a run; for every message it would cost more than the message."""
        with under(envelope.trace):
            log.info(
                "handled",
                agent=str(self.address),
                message=str(envelope.id),
                message_type=envelope.type,
                run=envelope.run,
                version=self.committed,
            )

    def commit_failed(self, turns: list[Pending], error: ResproutError) -> None:
        """Not known whether it happened (or, if rejected, known that it cannot): look, and do it again."""
        if isinstance(error, Rejected):
            self.cautious = len(turns) > 1  # one turn at a time, to find the one that cannot be stored
            if not self.cautious:
                turns[0].entry.refused = error
            self._reset(doubtful=False)
        else:
            self._reset(doubtful=True)

    def _refuse_one(self, turns: list[Pending], full: Full) -> None:
        """The first of the turns that tells the full recipient meets the refusal; the others are taken again."""
        error = mailbox_full(full.recipient, full.bound, bounds_of(full.recipient), teller=str(self.address))
        for turn in turns:
            effects = turn.handled.effects
            if effects is not None and any(sent.recipient == full.recipient for sent in effects.sent):
                turn.entry.refused = error
                return

    def _reset(self, *, doubtful: bool) -> None:
        self.generation += 1
        self.agent = None
        self.host.lane_of(self.held).withdraw(self)
        again, self.uncommitted = self.uncommitted, []
        if self.entry is not None and self.entry not in again:
            again.append(self.entry)
        for entry in again:
            entry.doubtful = entry.doubtful or doubtful
        self.mailbox.back(again)
        self._tell_settled()
        self.start()

    def done(self, entry: Entry, outcome: Replied | Failed) -> None:
        self.host.backlog.forget(self, entry)
        for joined in entry.joined:
            self.host.backlog.forget(self, joined)
        entry.settle(outcome)

    # How it ends.

    async def close(self) -> list[Entry]:
        """Finishes the turn that runs and the commits under way; refuses what waits. Returns what is stored of it."""
        self.closing = True
        while self.started or self.uncommitted:
            if self.settled is None:
                self.settled = asyncio.Event()
            self.settled.clear()
            await self.settled.wait()
        waiting = [entry for entry in self.mailbox if entry.stored]
        self.refuse_waiting(Moved(f"{self.address} has moved to another host. Ask again."))
        return waiting

    def cut(self, error: ResproutError) -> None:
        """The shard is lost: nothing that runs here can be committed any more."""
        self.closing = True
        self.generation += 1
        self.host.lane_of(self.held).withdraw(self)
        self.uncommitted = []
        if self.task is not None and self.task is not asyncio.current_task():  # that one sees `closing`
            self.task.cancel()
        self.refuse_waiting(error)
        self._tell_settled()

    def met_defect(self) -> None:
        """Something went wrong that nobody foresaw: what this agent has in memory cannot be trusted."""
        self.cut(Broken(f"{self.address} met a defect of Resprout. The host's log has it."))
        self.host.broke(self)

    def refuse_waiting(self, error: ResproutError) -> None:
        for entry in self.mailbox:
            self.host.backlog.forget(self, entry)
            entry.settle(failed(error))
        self.mailbox.postponed.clear()
        self.mailbox.queues.clear()

    def forget_state(self) -> None:
        """The next turn reads it again: somebody changed what the store says of this agent."""
        self.quarantined, self.looked_at = None, True
        if not self.uncommitted and self.entry is None:
            self.agent = None

    def set_aside(self, reason: str) -> None:
        """What comes next looks whether it is still so."""
        self.quarantined, self.agent = reason, None

    def stop_turn(self) -> bool:
        """Interrupts the handler that runs: it is past its deadline. It may clean up for a while before it is
        interrupted again. False if none runs: nothing of our own is to be interrupted."""
        if self.task is None or self not in self.host.population.running:
            return False
        now = self.host.station.now()
        if self.stopped_at is None or now - self.stopped_at > CLEAN_UP_SECONDS:
            self.stopped_at = now
            self.task.cancel()
        return True

    def _tell_settled(self) -> None:
        if self.settled is not None:
            self.settled.set()

    def _quarantine_text(self) -> str:
        reason = (self.quarantined or "").rstrip(".")
        address = shlex.quote(str(self.address))
        return (
            f"{self.address} was set aside: {reason}. Look at `resprout agent dead-letters {address}`, "
            f"then `resprout agent release {address}`."
        )
