"""One agent in memory: it takes one message at a time and moves from version to version.

The rules, and why they hold:

- A turn runs on a copy of the state. Only when its handler has ended does the copy become the agent's state.
- The next turn may begin before the last one is committed: the turns of an agent are committed in order, and each
  commit names the version that it builds on. When one fails, all that were built on it are taken back
  (`commits.py`), the state is read again, and the messages are handled again. Nothing of them was seen outside:
  replies, messages and failures leave only after the commit of everything before them.
- `uncommitted.generation` counts how often that happened. A handler that was running meanwhile finds another number
  than at its start, and what it did is forgotten.
- A message is removed from the mailbox only when its outcome is durable, so whatever goes wrong before that, it is
  handled again.
"""

import asyncio
import shlex
from uuid import UUID

from .address import AgentAddress
from .agent import Agent
from .envelope import Envelope, Failed, Replied, failed
from .errors import AgentFailed, Broken, DeadlinePassed, Moved, Quarantined, ResproutError
from .handling import Abandoned, said, unforeseen
from .logger import get_logger
from .mailbox import Entry, Mailbox
from .store import Held
from .surroundings import Surroundings
from .uncommitted import Uncommitted

log = get_logger("resprout.host")

TURNS_BEFORE_OTHERS = 8  # a busy agent lets the others in after so many


class Activation:
    __slots__ = (
        "__weakref__",
        "address",
        "agent",
        "arriving",
        "closing",
        "heat",
        "held",
        "host",
        "in_turn",
        "kind",
        "left_out",
        "left_over",
        "looked_at",
        "mailbox",
        "more_waits",
        "quarantined",
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
        self.uncommitted = Uncommitted()
        self.quarantined: str | None = None
        self.looked_at = False  # by a person, who changed what the store says of it
        self.started = False
        self.task: asyncio.Task[None] | None = None  # the runner's that has it now
        self.in_turn: Entry | None = None
        self.stopped_at: float | None = None  # when the handler that runs was told to stop
        self.closing = False
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
            self.in_turn = entry
            await self._handle(entry)
            self.in_turn = None
            turns += 1
            if turns % TURNS_BEFORE_OTHERS == 0:
                await asyncio.sleep(0)

    def ran(self) -> None:
        self.in_turn = None
        self.task = None
        self.started = False
        if not self.uncommitted.entries:
            self.uncommitted.cautious = False  # what could not be stored is not among the messages any more
        self.used_at = self.host.station.now()
        self.uncommitted.tell_settled()
        if self.mailbox.queues and not self.closing:
            self.start()  # something came between the last look and now

    async def _handle(self, entry: Entry) -> None:
        generation = self.uncommitted.generation
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
            handled, after, state = await self.host.handling.work(self, entry)
        except Abandoned:
            return
        except ResproutError as error:
            await self.host.failing.failed(self, entry, error, generation)
            return
        except Exception as error:  # outside the handler, and this message's failure all the same: others go on
            log.exception("message failed", agent=str(self.address), message_type=entry.envelope.type)
            await self.host.failing.failed(self, entry, unforeseen(self, entry.envelope, error), generation)
            return
        if self.uncommitted.generation != generation:
            return  # it has been put back, and what it was built on taken back
        if self.kind.options.ephemeral:
            self.host.commits.apply(self, entry, handled, after)
        else:
            await self.host.commits.submit(self, entry, handled, after, state)

    def _refuse_late(self, envelope: Envelope) -> None:
        if envelope.deadline is not None and self.host.station.clock() > envelope.deadline:
            raise DeadlinePassed(f"the deadline of message {envelope.id}, `{envelope.type}` to {self.address}, passed.")

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
        generation = self.uncommitted.generation
        reply = await self.host.records.reply_to(self.address, entry.envelope)
        if self.uncommitted.generation != generation:
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
        self.uncommitted.version, self.quarantined = snapshot.version, snapshot.quarantined
        if self.quarantined is not None:
            return  # nobody sees its state; every message looks again, since it may have been released
        try:
            stored = snapshot.state
            agent = self.kind.from_stored(snapshot.state_version, stored) if stored is not None else self.kind()
            agent.lives_at(self.address)
            with self.host.handling.stoppable(self, envelope):
                await agent.activated()
        except ResproutError:
            raise
        except (Exception, SystemExit) as error:
            log.exception("activation failed", agent=str(self.address))
            raise AgentFailed(
                f"{self.address} cannot come into memory: {said(error)}. Mend its "
                "class (`upcast`, `activated`); its state is as before."
            ) from error
        self.agent = agent

    def withhold(self, entry: Entry) -> None:
        """The message is not due yet."""
        self.mailbox.withdraw(entry)
        self.mailbox.postpone(entry)

    def try_again(self, entry: Entry) -> None:
        if self.mailbox.find(entry.envelope.id) is entry:
            self.mailbox.resume(entry)
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
        while self.started or self.uncommitted.entries:
            await self.uncommitted.something_settles()
        waiting = [entry for entry in self.mailbox if entry.stored]
        self.refuse_waiting(Moved(f"{self.address} has moved to another host. Ask again."))
        return waiting

    def cut(self, error: ResproutError) -> None:
        """The shard is lost: nothing that runs here can be committed any more."""
        self.closing = True
        self.host.commits.withdraw(self)
        if self.task is not None and self.task is not asyncio.current_task():  # that one sees `closing`
            self.task.cancel()
        self.refuse_waiting(error)
        self.uncommitted.tell_settled()

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
        if not self.uncommitted.entries and self.in_turn is None:
            self.agent = None

    def set_aside(self, reason: str) -> None:
        """What comes next looks whether it is still so."""
        self.quarantined, self.agent = reason, None

    def _quarantine_text(self) -> str:
        reason = (self.quarantined or "").rstrip(".")
        address = shlex.quote(str(self.address))
        return (
            f"{self.address} was set aside: {reason}. Look at `resprout agent dead-letters {address}`, "
            f"then `resprout agent release {address}`."
        )
