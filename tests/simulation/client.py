"""Somebody outside who asks and tells, one message after the other, and stays with each until its outcome is known."""

import asyncio
import random
from collections import Counter
from datetime import datetime, timedelta

from resprout.actors.address import AgentAddress
from resprout.actors.calls import Caller
from resprout.actors.envelope import Envelope, Priority
from resprout.actors.errors import Broken, OutcomeUnknown, Rejected, Unavailable
from resprout.actors.ids import at
from resprout.actors.message import Message as Word

from .agents import Consult, Note, Relay, Remind, Spoil
from .database import BEGAN, Message
from .loop import Process, SimulatedLoop
from .network import Network


class SimClient:
    def __init__(self, name: str, loop: SimulatedLoop, network: Network, agents: list[AgentAddress]) -> None:
        self.name = name
        self.loop = loop
        self.agents = agents
        self.process = Process(name)
        self.chance: random.Random = network.weather.chance
        self.caller = Caller(network, self.clock)
        self.sequences: Counter[tuple[str, str]] = Counter()
        self.acknowledged: list[Message] = []

    def begin(self, messages: int) -> "asyncio.Task[None]":
        return self.process.context.run(asyncio.create_task, self._live(messages))

    def clock(self) -> datetime:
        return BEGAN + timedelta(seconds=self.loop.time())

    async def _live(self, messages: int) -> None:
        for _ in range(messages):
            await asyncio.sleep(self.chance.random() ** 3 * 2)
            agent = self.chance.randrange(len(self.agents))
            await self.say(self.agents[agent], self._word(agent))

    def _word(self, agent: int) -> type[Word]:
        kinds: list[type[Word]] = [Note] * 9 + [Relay] * 5 + [Remind] * 2 + [Spoil]
        if agent + 1 < len(self.agents):
            kinds += [Consult] * 2
        return self.chance.choice(kinds)

    def _fill(self, kind: type[Word], to: AgentAddress, sequence: int) -> Word:
        chance, agents = self.chance, self.agents
        if kind is Relay:
            several = [str(chance.choice(agents)) for _ in range(chance.choice((1, 1, 2, 5)))]
            return Relay(sequence=sequence, to=tuple(several))
        if kind is Consult:  # only downwards: two that ask each other at once wait until their deadline
            return Consult(sequence=sequence, to=str(chance.choice(agents[agents.index(to) + 1 :])))
        if kind is Remind:
            every = chance.choice((None, 1.0))
            return Remind(
                sequence=sequence,
                after_seconds=chance.random() * 2,
                every_seconds=every,
                ticks=3 if every else 0,
                missed=chance.choice(("each", "once")),
            )
        if kind is Spoil:
            return Spoil(sequence=sequence)
        return Note(sequence=sequence, think_seconds=chance.choice((0.0, 0.0, 0.0, 0.01, 0.3)))

    async def say(self, to: AgentAddress, kind: type[Word]) -> None:
        chance = self.chance
        priority: Priority = "high" if chance.random() < 0.25 else "normal"
        self.sequences[str(to), priority] += 1
        word = self._fill(kind, to, self.sequences[str(to), priority])
        envelope = Envelope(
            id=at(int(self.loop.time() * 1000), chance.getrandbits(80)),
            way="ask" if chance.random() < 0.4 else "tell",
            recipient=str(to),
            sender=self.name,
            type=word.message_name,
            body=word.model_dump_json(),
            priority=priority,
        )
        await self._until_known(to, envelope)

    async def _until_known(self, to: AgentAddress, envelope: Envelope) -> None:
        while True:
            until = self.clock() + timedelta(seconds=1.5)
            if envelope.way == "ask":
                envelope = envelope.model_copy(update={"deadline": until})
            try:
                await self.caller.call(envelope, until)
            except (Unavailable, OutcomeUnknown):
                await asyncio.sleep(0.05)
                envelope = envelope.model_copy(update={"attempt": envelope.attempt + 1})
            except (Rejected, Broken):
                return
            else:
                self.acknowledged.append((to, envelope.id))
                return
