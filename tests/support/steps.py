"""An agent that does a flow's steps and counts them; a step that ran twice has counted two."""

import asyncio
import json
from collections import Counter
from typing import Any

from resprout.actors.agent import Agent, on
from resprout.actors.capabilities import Capability
from resprout.actors.message import Message
from resprout.actors.roles import Emitted

failures: Counter[str] = Counter()  # of this host, for steps that fail some times


class Do(Message, name="step.do"):
    value: Any = None
    think_seconds: float = 0.0
    fail: int = 0  # so many times
    size: int = 0  # bytes of the reply
    log: str | None = None  # the agent that shall know of it


class Did(Message, name="step.did"):
    value: Any
    times: int
    text: str = ""


class Note(Message, name="step.note"):
    word: str


class Notes(Message, name="step.notes"):
    words: tuple[str, ...]


class Hear(Message, name="step.hear"):
    topic: str


class Look(Message, name="step.look"):
    pass


class Learn(Message, name="step.learn"):
    """To say that it can do this, unlike others of its kind."""

    capability: str


class Step(Agent, kind="step", capabilities=(Capability(name="stepping"),)):
    times: int = 0
    words: tuple[str, ...] = ()

    @on
    async def do(self, message: Do) -> Did:
        await asyncio.sleep(message.think_seconds)
        failures[str(self.address)] += 1
        if failures[str(self.address)] <= message.fail:
            raise ValueError("as asked")
        self.times += 1
        if message.log is not None:
            self.tell(message.log, Note(word=self.address.key.partition("-")[2]))
        return Did(value=message.value, times=self.times, text="x" * message.size)

    @on
    async def note(self, message: Note) -> None:
        self.words = (*self.words, message.word)

    @on
    async def hear(self, message: Hear) -> None:
        self.subscribe(message.topic)

    @on
    async def emitted(self, message: Emitted) -> None:
        self.words = (*self.words, json.dumps(message.data))

    @on
    async def learn(self, message: Learn) -> None:
        self.describe(capabilities=[Capability(name=message.capability)])

    @on
    async def look(self, message: Look) -> Notes:
        return Notes(words=self.words)
