"""An agent of one's own: it adds what it is told to add, and loses nothing."""

from resprout.actors.agent import Agent, on
from resprout.actors.message import Message


class Add(Message, name="counter.add"):
    amount: int


class Total(Message, name="counter.total"):
    total: int


class Counter(Agent, kind="counter"):
    total: int = 0

    @on
    async def add(self, message: Add) -> Total:
        self.total += message.amount
        return Total(total=self.total)
