"""The way between callers and hosts: it loses, doubles, delays and overtakes; nobody learns more than that it broke.

The outcome of a message whose host dies, or whose way there or back broke, is `Lost`: unknown, as it is with sockets.
A host that stands still answers nothing until the caller's patience ends.
"""

import asyncio
from collections.abc import Awaitable
from datetime import datetime
from typing import TYPE_CHECKING

from resprout.actors.calls import Lost
from resprout.actors.envelope import Began, Envelope, Outcome
from resprout.actors.errors import DeadlinePassed
from resprout.actors.shards import HostSeen, View

from .database import BEGAN
from .loop import SimulatedLoop
from .weather import Weather

if TYPE_CHECKING:
    from .host import SimHost

Answer = asyncio.Future[Outcome]


class Network:
    """A `Transport` for everybody."""

    def __init__(self, loop: SimulatedLoop, weather: Weather) -> None:
        self.loop = loop
        self.weather = weather
        self.hosts: dict[str, SimHost] = {}
        self._nobody = loop.world.context

    def send(self, host: HostSeen, envelope: Envelope, until: datetime) -> Awaitable[Outcome]:
        answer: Answer = self.loop.create_future()
        patience = (until - BEGAN).total_seconds() - self.loop.time() + 0.05
        self.loop.call_later(max(patience, 0), _fail, answer, DeadlinePassed("no answer"), context=self._nobody)
        found = self.hosts.get(host.address)
        if found is None or self.weather.strikes("message lost"):
            self._break(answer)
            return answer
        found.waiting[answer] = None
        way = self.weather.latency()
        if self.weather.strikes("message delayed"):
            way += self.weather.delay()
        self.loop.call_later(way, self._arrive, found, envelope, answer, context=found.process.context)
        if self.weather.strikes("message doubled"):
            way += self.weather.latency() if self.weather.chance.random() < 0.5 else self.weather.delay()
            self.loop.call_later(way, self._arrive, found, envelope, None, context=found.process.context)
        return answer

    def _arrive(self, host: "SimHost", envelope: Envelope, answer: Answer | None) -> None:
        host.delivery.receive(envelope, lambda outcome: self._return(host, outcome, answer))

    def _return(self, host: "SimHost", outcome: Outcome | Began, answer: Answer | None) -> None:
        if answer is None or isinstance(outcome, Began):  # no handler here ends its host
            return
        host.waiting.pop(answer, None)
        if self.weather.strikes("outcome lost"):
            if outcome.outcome != "failed":
                self.weather.hit["outcome lost"] += 1
            self._break(answer)
        else:
            self.loop.call_later(self.weather.latency(), _settle, answer, outcome, context=self._nobody)

    def broke(self, host: "SimHost") -> None:
        """The host is dead: all who wait for it learn of the end of their connection."""
        self.hosts.pop(host.name, None)
        for answer in list(host.waiting):
            self._break(answer)

    def _break(self, answer: Answer) -> None:
        self.loop.call_later(self.weather.latency(), _fail, answer, Lost("the connection broke"), context=self._nobody)

    async def view(self) -> View | None:
        await asyncio.sleep(self.weather.latency())
        knowing = [host for host in self.hosts.values() if host.process.runs and host.delivery.holdings.view.hosts]
        return self.weather.chance.choice(knowing).delivery.holdings.view if knowing else None

    def wake(self, host: HostSeen) -> None:
        found = self.hosts.get(host.address)
        if found is not None and not self.weather.strikes("message lost"):
            wakes = found.delivery.mail_waits.set
            self.loop.call_later(self.weather.latency(), wakes, context=found.process.context)

    def cancel(self, host: HostSeen, envelope: Envelope) -> None:
        raise AssertionError("nobody here takes anything back")


def _settle(answer: Answer, outcome: Outcome) -> None:
    if not answer.done():
        answer.set_result(outcome)


def _fail(answer: Answer, error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
