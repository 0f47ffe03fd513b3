"""An agent that keeps count of every message id, and reports each attempt at work to a process outside."""

import asyncio
import os
import socket

from resprout.actors.agent import Agent, Bounds, on
from resprout.actors.message import Message

REPORT_TO = "TEST_ATTEMPTS_TO"  # host:port, UDP


class Write(Message, name="journal.write"):
    sender: str
    number: int
    think_seconds: float = 0.0
    tell: str | None = None


class Written(Message, name="journal.written"):
    lines: int


class Die(Message, name="journal.die"):
    pass


class Read(Message, name="journal.read"):
    pass


class Contents(Message, name="journal.contents"):
    times: dict[str, int]
    last: dict[str, int]
    disorder: int


class Journal(Agent, kind="journal", bounds=Bounds(rows=100_000)):
    times: dict[str, int] = {}  # noqa: RUF012 - a field
    last: dict[str, int] = {}  # noqa: RUF012 - a field
    disorder: int = 0

    @on
    async def write(self, message: Write) -> Written:
        report(f"{self.envelope.id} {self.address}")
        if message.think_seconds:
            await asyncio.sleep(message.think_seconds)
        line = str(self.envelope.id)
        self.times = {**self.times, line: self.times.get(line, 0) + 1}
        if message.number <= self.last.get(message.sender, -1):
            self.disorder += 1
        self.last = {**self.last, message.sender: message.number}
        if message.tell is not None:
            self.tell(message.tell, Write(sender=str(self.address), number=message.number))
        return Written(lines=len(self.times))

    @on
    async def die(self, message: Die) -> None:
        os._exit(1)

    @on
    async def read(self, message: Read) -> Contents:
        return Contents(times=self.times, last=self.last, disorder=self.disorder)


def report(what: str) -> None:
    if address := os.environ.get(REPORT_TO):
        host, _, port = address.rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(what.encode(), (host, int(port)))
