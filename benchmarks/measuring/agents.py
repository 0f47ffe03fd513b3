"""The agents that are measured."""

from resprout.actors.agent import Agent, on
from resprout.actors.message import Message


class Increment(Message, name="bench.increment"):
    by: int = 1


class Total(Message, name="bench.total"):
    total: int


class Flash(Agent, kind="bench-flash", ephemeral=True):
    total: int = 0

    @on
    async def increment(self, message: Increment) -> Total:
        self.total += message.by
        return Total(total=self.total)


class Durable(Agent, kind="bench-durable"):
    total: int = 0

    @on
    async def increment(self, message: Increment) -> Total:
        self.total += message.by
        return Total(total=self.total)
