"""Agents of the tests' own on the shared stack: its hosts and the command line import this by `agents.modules`."""

import asyncio
from datetime import timedelta
from pathlib import Path

from resprout.actors.agent import Agent, Bounds, on
from resprout.actors.capabilities import Capability
from resprout.actors.message import Message
from resprout.actors.supervision import Supervision


class Work(Message, name="clerk.work"):
    by: int = 1
    think_seconds: float = 0.0
    words: str = ""


class Done(Message, name="clerk.done"):
    count: int


class Deliver(Message, name="clerk.deliver"):
    """Fails as long as there is no such file."""

    path: str


class Follow(Message, name="clerk.follow"):
    topic: str


class CallBack(Message, name="clerk.call-back"):
    to: str


class Introduce(Message, name="clerk.introduce"):
    team: str


ONCE = Supervision(attempts=1)


class Clerk(
    Agent,
    kind="clerk",
    supervision=ONCE,
    labels={"floor": "2"},
    capabilities=(Capability(name="counting", description="counts what it is given", permissions=("count",)),),
):
    """Counts its work."""

    count: int = 0

    @on
    async def work(self, message: Work) -> Done:
        await asyncio.sleep(message.think_seconds)
        self.count += message.by
        return Done(count=self.count)

    @on
    async def deliver(self, message: Deliver) -> Done:
        if not Path(message.path).exists():
            raise FileNotFoundError(f"[{message.path}] is not there")
        self.count += 1
        return Done(count=self.count)

    @on
    async def follow(self, message: Follow) -> None:
        self.subscribe(message.topic)

    @on
    async def call_back(self, message: CallBack) -> Done:
        await self.ask(message.to, CallBack(to=str(self.address)))
        return Done(count=self.count)

    @on
    async def introduce(self, message: Introduce) -> None:
        self.describe(labels={"team": message.team})


class WaryClerk(
    Agent, kind="wary-clerk", supervision=Supervision(attempts=1, first_pause=timedelta(seconds=1), quarantine=True)
):
    count: int = 0

    @on
    async def work(self, message: Work) -> Done:
        self.count += message.by
        return Done(count=self.count)

    @on
    async def deliver(self, message: Deliver) -> Done:
        raise FileNotFoundError(message.path)


class SmallDesk(Agent, kind="small-desk", bounds=Bounds(rows=1)):
    @on
    async def work(self, message: Work) -> None:
        await asyncio.sleep(message.think_seconds)
