"""Agents for tests of the delivery: they count, tell, ask, remind, fail, think and wait on demand."""

import asyncio
import sys
import time
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from resprout.actors.agent import Agent, Bounds, ephemeral, on
from resprout.actors.capabilities import Capability
from resprout.actors.message import Message
from resprout.actors.poison import Poisoned
from resprout.actors.supervision import Supervision


class Increment(Message, name="test.increment"):
    by: int = 1
    think_seconds: float = 0.0


class Count(Message, name="test.count"):
    count: int


class Hold(Message, name="test.hold"):
    """Count one, once the gate of this name is open."""

    gate: str


gates: dict[str, asyncio.Event] = defaultdict(asyncio.Event)


class Gate:
    """Holds an agent in its turn, in a host of this process, for as long as a test needs: no time is long enough."""

    def __init__(self) -> None:
        self.hold = Hold(gate=str(uuid4()))

    def open(self) -> None:
        gates[self.hold.gate].set()


class Pass(Message, name="test.pass"):
    """Tell `to` an increment in this turn."""

    to: str
    times: int = 1


class AskOther(Message, name="test.ask-other"):
    to: str
    think_seconds: float = 0.0
    timeout_seconds: float | None = None


class Fail(Message, name="test.fail"):
    times: int = 1_000_000


class Mislead(Message, name="test.mislead"):
    """Fail with a text that is no UTF-8."""


class Wait(Message, name="test.wait"):
    """The turn lasts until there is such a file."""

    path: str


class Log(Message, name="test.log"):
    word: str


class Words(Message, name="test.words"):
    words: tuple[str, ...]


class Follow(Message, name="test.follow"):
    topic: str


class Announce(Message, name="test.announce"):
    topic: str


class TellAndPublish(Message, name="test.tell-and-publish"):
    """The first word is told, the second published, and so on."""

    to: str
    topic: str
    words: tuple[str, ...]


class RemindMe(Message, name="test.remind-me"):
    name: str = "tick"
    after_seconds: float = 0.0
    every_seconds: float | None = None


class Forget(Message, name="test.forget"):
    pass


QUICK = Supervision(attempts=3, first_pause=timedelta(milliseconds=20), longest_pause=timedelta(milliseconds=50))


class Tally(Agent, kind="tally", supervision=QUICK, bounds=Bounds(rows=50, state_bytes=500_000)):
    count: int = 0
    words: tuple[str, ...] = ()
    failures: int = 0

    @on
    async def increment(self, message: Increment) -> Count:
        if message.think_seconds:
            await asyncio.sleep(message.think_seconds)
        self.count += message.by
        return Count(count=self.count)

    @on
    async def wait(self, message: Wait) -> None:
        while not Path(message.path).exists():
            await asyncio.sleep(0.02)

    @on
    async def hold(self, message: Hold) -> Count:
        await gates[message.gate].wait()
        self.count += 1
        return Count(count=self.count)

    @on
    async def pass_on(self, message: Pass) -> Count:
        for _ in range(message.times):
            self.tell(message.to, Increment())
        self.count += 1
        return Count(count=self.count)

    @on
    async def ask_other(self, message: AskOther) -> Count:
        reply = await self.ask(
            message.to,
            Increment(think_seconds=message.think_seconds),
            timeout=timedelta(seconds=message.timeout_seconds) if message.timeout_seconds else None,
        )
        assert isinstance(reply, Count)
        self.count += 1
        return reply

    @on
    async def fail(self, message: Fail) -> None:
        self.count += 1000  # must never be seen
        raise ValueError("as asked")

    @on
    async def mislead(self, message: Mislead) -> None:
        raise FileNotFoundError("no file \udcff here")  # as os.listdir gives names that are no UTF-8

    @on
    async def log_word(self, message: Log) -> Words:
        self.words = (*self.words, message.word)
        return Words(words=self.words)

    @on
    async def follow(self, message: Follow) -> None:
        self.subscribe(message.topic)

    @on
    async def announce(self, message: Announce) -> None:
        self.publish(message.topic, Increment())

    @on
    async def tell_and_publish(self, message: TellAndPublish) -> None:
        for place, word in enumerate(message.words):
            if place % 2:
                self.publish(message.topic, Log(word=word))
            else:
                self.tell(message.to, Log(word=word))

    @on
    async def remind_me(self, message: RemindMe) -> None:
        self.remind(
            message.name,
            Increment(),
            after=timedelta(seconds=message.after_seconds),
            every=timedelta(seconds=message.every_seconds) if message.every_seconds else None,
        )

    @on
    async def forget(self, message: Forget) -> None:
        self.cancel("tick")


class Small(Agent, kind="small", bounds=Bounds(bytes=1_000)):
    """Has room for little."""

    @on
    async def increment(self, message: Increment) -> Count:
        await asyncio.sleep(message.think_seconds)
        return Count(count=message.by)

    @on
    async def log_word(self, message: Log) -> Count:
        return Count(count=len(message.word))


class Circle(Agent, kind="circle"):
    """Asks the agent that it is told to, which asks back."""

    @on
    async def go(self, message: AskOther) -> Count:
        reply = await self.ask(message.to, AskOther(to=str(self.address)))
        assert isinstance(reply, Count)
        return reply


class Slow(Message, name="test.slow"):
    seconds: float


class Misbehave(Message, name="test.misbehave"):
    how: str


class AnswerBadly(Message, name="test.answer-badly"):
    pass


class AnyReply(Message, name="test.any-reply"):
    value: Any = None


class Unruly(Agent, kind="unruly", supervision=QUICK):
    """Does in its handlers what no handler should."""

    count: int = 0
    spoilt: bool = ephemeral(default=False)

    @on
    async def misbehave(self, message: Misbehave) -> None:
        self.count += 1
        match message.how:
            case "exit":
                sys.exit(3)
            case "cancel":
                raise asyncio.CancelledError
            case "block":
                time.sleep(30)
            case "assign badly":
                self.count = "many"  # type: ignore[assignment]
            case "naive deadline":
                self.tell("tally/a", Increment(), deadline=datetime.now())
            case "unprintable":
                raise ValueError("no file \udcff\0 here")

    @on
    async def answer_badly(self, message: AnswerBadly) -> AnyReply:
        return AnyReply(value=object())

    @on
    async def increment(self, message: Increment) -> Count:
        self.count += message.by
        return Count(count=self.count)


class Lame(Agent, kind="lame", supervision=QUICK):
    """Cannot come into memory."""

    async def activated(self) -> None:
        raise ValueError("as written")

    @on
    async def increment(self, message: Increment) -> Count:
        return Count(count=message.by)


class TellThenAsk(Message, name="test.tell-then-ask"):
    to: str
    times: int
    ask: bool = False


class Teller(Agent, kind="teller"):
    """Tells in one turn, asks in another."""

    @on
    async def tell_then_ask(self, message: TellThenAsk) -> Count:
        if message.ask:
            reply = await self.ask(message.to, Increment(by=0))
            assert isinstance(reply, Count)
            return reply
        for _ in range(message.times):
            self.tell(message.to, Increment())
        return Count(count=0)


class Picky(Agent, kind="picky"):
    """Rejects or joins while it is busy."""

    done: int = 0

    @on(busy="reject")
    async def increment(self, message: Increment) -> Count:
        await asyncio.sleep(message.think_seconds)
        self.done += 1
        return Count(count=self.done)

    @on
    async def hold(self, message: Hold) -> Count:
        await gates[message.gate].wait()
        self.done += 1
        return Count(count=self.done)

    @on(busy="join")
    async def slow(self, message: Slow) -> Count:
        await asyncio.sleep(message.seconds)
        self.done += 1
        return Count(count=self.done)


class Flash(Agent, kind="flash", ephemeral=True):
    count: int = 0

    @on
    async def pass_on(self, message: Pass) -> Count:
        self.count += 1
        self.tell(message.to, Increment())
        return Count(count=self.count)

    @on
    async def follow(self, message: Follow) -> None:
        self.subscribe(message.topic)

    @on
    async def announce(self, message: Announce) -> None:
        self.publish(message.topic, Increment())

    @on
    async def remind_me(self, message: RemindMe) -> None:
        self.remind(message.name, Increment(), after=timedelta(seconds=message.after_seconds))

    @on
    async def forget(self, message: Forget) -> None:
        self.cancel("tick")

    @on
    async def log_word(self, message: Log) -> Words:
        return Words(words=(message.word,))

    @on
    async def increment(self, message: Increment) -> Count:
        self.count += message.by
        return Count(count=self.count)


class Wary(
    Agent,
    kind="wary",
    supervision=Supervision(
        attempts=2, first_pause=timedelta(milliseconds=10), quarantine=True, escalate_to="warden/main"
    ),
):
    count: int = 0

    @on
    async def increment(self, message: Increment) -> Count:
        self.count += message.by
        return Count(count=self.count)

    @on
    async def fail(self, message: Fail) -> None:
        raise ValueError("as asked")


class Warden(Agent, kind="warden"):
    """Is told of poison."""

    agents: tuple[str, ...] = ()

    @on
    async def poisoned(self, message: Poisoned) -> None:
        self.agents = (*self.agents, message.agent)

    @on
    async def words(self, message: Log) -> Words:
        return Words(words=self.agents)


class Sleepy(Agent, kind="sleepy"):
    """Knows how often it came into memory."""

    count: int = 0
    awake: bool = ephemeral(default=False)

    async def activated(self) -> None:
        self.log.debug("awake", at=str(self.address))
        lives.append("activated")
        self.awake = True

    async def passivated(self) -> None:
        lives.append("passivated")

    @on
    async def increment(self, message: Increment) -> Count:
        assert self.awake
        self.count += message.by
        return Count(count=self.count)


lives: list[str] = []


class Blob(Agent, kind="blob"):
    blob: Any = None

    @on
    async def increment(self, message: Increment) -> Count:
        self.blob = object()
        return Count(count=message.by)


class Able(
    Agent,
    kind="able",
    capabilities=(Capability(name="counting", description="counts", permissions=("count",)),),
    labels={"size": "small", "mood": "bad"},
):
    count: int = 0

    @on
    async def increment(self, message: Increment) -> Count:
        self.describe(labels={"mood": "good"})
        self.count += message.by
        return Count(count=self.count)
