"""The agents of the example flows. They need no model: what they say is made up from what they are asked."""

import asyncio

from resprout.actors.agent import Agent, on
from resprout.actors.errors import AgentFailed
from resprout.actors.message import Message


class Research(Message, name="crew.research"):
    topic: str
    angle: str
    seconds: float = 0.0


class Finding(Message, name="crew.finding"):
    text: str
    asked: int  # how often this researcher was asked


class Researcher(Agent, kind="researcher"):
    asked: int = 0

    @on
    async def research(self, message: Research) -> Finding:
        await asyncio.sleep(message.seconds)
        self.asked += 1
        return Finding(text=f"{message.topic}, seen from its {message.angle}", asked=self.asked)


class Edit(Message, name="crew.edit"):
    title: str
    texts: tuple[str, ...]


class Report(Message, name="crew.report"):
    text: str
    edition: int


class Editor(Agent, kind="editor"):
    editions: int = 0

    @on
    async def edit(self, message: Edit) -> Report:
        self.editions += 1
        lines = "\n".join(f"- {text}" for text in message.texts)
        return Report(text=f"{message.title}\n{lines}", edition=self.editions)


class Improve(Message, name="crew.improve"):
    text: str
    seconds: float = 0.0


class Draft(Message, name="crew.draft"):
    text: str
    quality: int


class Writer(Agent, kind="writer"):
    drafts: int = 0

    @on
    async def improve(self, message: Improve) -> Draft:
        await asyncio.sleep(message.seconds)
        self.drafts += 1
        return Draft(text=f"{message.text} (draft {self.drafts})", quality=self.drafts * 30)


class Book(Message, name="crew.book"):
    what: str
    sold_out: bool = False
    seconds: float = 0.0


class GiveBack(Message, name="crew.give-back"):
    what: str


class Count(Message, name="crew.count"):
    pass


class Booked(Message, name="crew.booked"):
    booked: int
    given_back: int


class Travel(Agent, kind="travel"):
    """Books and takes bookings back."""

    booked: int = 0
    given_back: int = 0

    @on
    async def book(self, message: Book) -> Booked:
        await asyncio.sleep(message.seconds)
        if message.sold_out:
            raise AgentFailed(f"no {message.what} is left.")
        self.booked += 1
        return self._books()

    @on
    async def give_back(self, message: GiveBack) -> Booked:
        self.given_back += 1
        return self._books()

    @on
    async def count(self, message: Count) -> Booked:
        return self._books()

    def _books(self) -> Booked:
        return Booked(booked=self.booked, given_back=self.given_back)


class Square(Message, name="crew.square"):
    n: int
    seconds: float = 0.0


class Squared(Message, name="crew.squared"):
    square: int
    times: int


class Calculator(Agent, kind="calculator"):
    times: int = 0

    @on
    async def square(self, message: Square) -> Squared:
        await asyncio.sleep(message.seconds)
        self.times += 1
        return Squared(square=message.n**2, times=self.times)
