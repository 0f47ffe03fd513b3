"""A program of a user, which a type checker is to understand."""

PROGRAM = """
from resprout.actors.agent import Agent, on
from resprout.actors.message import Message
from resprout.runtime.client import Client


class Add(Message, name="typed.add"):
    amount: int


class Other(Message, name="typed.other"):
    pass


class Total(Message, name="typed.total"):
    total: int


class Counter(Agent, kind="typed-counter"):
    total: int = 0

    @on
    async def add(self, message: Add) -> Total:
        return Total(total=self.total)


async def use(client: Client) -> None:
    reply = await client.of(Counter, "a").add(Add(amount=1))
    print(reply.total)
"""
