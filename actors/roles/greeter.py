"""The smallest agent with a memory: it greets, and knows how often it has."""

import asyncio

from pydantic import Field

from ..agent import Agent, on
from ..capabilities import Capability
from ..message import Message


class Greet(Message, name="greeter.greet"):
    name: str = Field(min_length=1, max_length=200)
    think_seconds: float = Field(default=0.0, ge=0.0, le=600.0, description="how long to think first")


class Greeting(Message, name="greeter.greeting"):
    text: str
    times: int


class Greeter(Agent, kind="greeter", capabilities=(Capability(name="greet", description="greets by name"),)):
    times: int = 0

    @on
    async def greet(self, message: Greet) -> Greeting:
        await asyncio.sleep(message.think_seconds)  # time to kill this host and see what happens
        self.times += 1
        again = "" if self.times == 1 else f" again, for the {ordinal(self.times)} time"
        return Greeting(text=f"Hello {message.name}{again}!", times=self.times)


def ordinal(number: int) -> str:
    suffix = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"
