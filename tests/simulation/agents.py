"""Agents that write down what was done to them: a doubled, lost or reordered effect shows in their state."""

import asyncio
from datetime import timedelta

from pydantic import Field
from resprout.actors.agent import Agent, Bounds, on
from resprout.actors.message import Message
from resprout.actors.poison import Poisoned
from resprout.actors.reminders import Missed
from resprout.actors.supervision import Supervision

ROWS = 12
WARDEN = "sim-warden/main"


class Note(Message, name="sim.note"):
    sequence: int  # of the sender, for this agent and this priority; 0: not in a sequence
    think_seconds: float = 0.0


class Relay(Message, name="sim.relay"):
    """Tell each of `to` a note in this turn."""

    sequence: int
    to: tuple[str, ...]


class Consult(Message, name="sim.consult"):
    """Ask `to` in this turn."""

    sequence: int
    to: str


class Spoil(Message, name="sim.spoil"):
    """Nobody can digest it."""

    sequence: int


class Remind(Message, name="sim.remind"):
    sequence: int
    after_seconds: float
    every_seconds: float | None
    ticks: int
    missed: Missed


class Tick(Message, name="sim.tick"):
    name: str
    ticks: int  # after so many the reminder is cancelled


class Noted(Message, name="sim.noted"):
    turns: int


QUICK = Supervision(
    attempts=4,
    first_pause=timedelta(milliseconds=50),
    longest_pause=timedelta(milliseconds=400),
    patience=timedelta(seconds=1),
    escalate_to=WARDEN,
)


class Ledger(Agent, kind="sim-ledger", supervision=QUICK, bounds=Bounds(rows=ROWS)):
    turns: int = 0
    applied: dict[str, int] = Field(default={})  # how many times, by message id
    order: dict[str, list[tuple[int, str]]] = Field(
        default={}
    )  # sequences and ways as they were taken, by sender and priority
    sent: dict[str, int] = Field(default={})  # the last sequence, by recipient
    ticked: dict[str, int] = Field(default={})

    @on
    async def note(self, message: Note) -> Noted:
        if message.think_seconds:
            await asyncio.sleep(message.think_seconds)
        return self._apply(message.sequence)

    @on
    async def relay(self, message: Relay) -> Noted:
        for to in message.to:
            self.sent[to] = self.sent.get(to, 0) + 1
            self.tell(to, Note(sequence=self.sent[to]))
        return self._apply(message.sequence)

    @on
    async def consult(self, message: Consult) -> Noted:
        await self.ask(message.to, Note(sequence=0))
        return self._apply(message.sequence)

    @on
    async def spoil(self, message: Spoil) -> None:
        self._apply(message.sequence)  # must never be seen
        raise ValueError("as told")

    @on
    async def set_reminder(self, message: Remind) -> Noted:
        name = f"after {self.turns} turns"
        self.remind(
            name,
            Tick(name=name, ticks=message.ticks),
            after=timedelta(seconds=message.after_seconds),
            every=timedelta(seconds=message.every_seconds) if message.every_seconds else None,
            missed=message.missed,
        )
        return self._apply(message.sequence)

    @on
    async def tick(self, message: Tick) -> None:
        self._apply(0)
        self.ticked[message.name] = self.ticked.get(message.name, 0) + 1
        if self.ticked[message.name] == message.ticks:
            self.cancel(message.name)

    def _apply(self, sequence: int) -> Noted:
        envelope = self.envelope
        self.turns += 1
        self.applied[str(envelope.id)] = self.applied.get(str(envelope.id), 0) + 1
        if sequence:
            self.order.setdefault(f"{envelope.sender} {envelope.priority}", []).append((sequence, envelope.way))
        return Noted(turns=self.turns)


class Warden(Agent, kind="sim-warden"):
    turns: int = 0
    applied: dict[str, int] = Field(default={})

    @on
    async def hear(self, message: Poisoned) -> None:
        self.turns += 1
        self.applied[str(self.envelope.id)] = self.applied.get(str(self.envelope.id), 0) + 1
