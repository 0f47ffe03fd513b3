"""Kill -9 of a host, of the worker and of Temporal, each in the middle of work, and how long each time it took.

Recovered is not who has a new process, but who does again what only he can do, as it stands in the records: a host has
begun a call of a model, a worker has taken a task, Temporal has written an event. It counts from the moment in which
the killed process is seen to be dead: what is written later, another one has written.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import psutil
from resprout.actors.errors import Broken, ResproutError
from temporalio.api.history.v1 import HistoryEvent
from temporalio.service import RPCError

from .records import Call, moment
from .stage import Stage

BETWEEN_LOOKS = 0.1  # seconds
PATIENCE = 120.0  # seconds, for the moment to strike and for the recovery

Histories = dict[str, Sequence[HistoryEvent]]
Look = Callable[[], Awaitable[Histories]]
Calls = Callable[[], Awaitable[Sequence[Call]]]


class NotRecovered(Broken):
    """What was killed did not come back to work in time."""


@dataclass
class Blow:
    service: str
    name: str  # as people call it
    after: int  # calls of the model have ended: not before
    pid: int | None = None
    struck_at: datetime | None = None
    back_at: datetime | None = None

    @property
    def seconds(self) -> float | None:
        if self.struck_at is None or self.back_at is None:
            return None
        return (self.back_at - self.struck_at).total_seconds()


def blows() -> list[Blow]:
    return [Blow("hosts", "the agent host", 1), Blow("worker", "the worker", 3), Blow("temporal", "Temporal", 5)]


@dataclass(frozen=True)
class Chaos:
    stage: Stage
    blows: list[Blow]
    calls: Calls
    histories: Look

    async def strike(self) -> None:
        for blow in self.blows:
            await self._until(partial(self._is_in_the_middle, blow), f"the moment to kill {blow.name}")
            await self._kill(blow)
            await self._until(partial(self._is_back, blow), f"{blow.name} at work again")

    async def _kill(self, blow: Blow) -> None:
        blow.pid = self.stage.pid(blow.service)
        assert blow.pid is not None
        os.kill(blow.pid, signal.SIGKILL)
        await self._until(partial(_is_dead, blow.pid), f"the end of {blow.name}")
        blow.struck_at = datetime.now(UTC)

    async def _is_in_the_middle(self, blow: Blow) -> bool:
        """The model is thinking, for whom something will have to be done again or be waited for."""
        if self.stage.pid(blow.service) is None:
            return False
        calls = await self.calls()
        ended = {call.key for call in calls if call.outcome == "done"}
        return len(ended) >= blow.after and any(call.outcome == "begun" and call.key not in ended for call in calls)

    async def _is_back(self, blow: Blow) -> bool:
        successor = self.stage.pid(blow.service)
        if blow.struck_at is None or successor in (None, blow.pid):
            return False
        try:
            signs = await self._signs(blow)
        except (RPCError, ResproutError):
            return False  # it is just coming
        blow.back_at = min((sign for sign in signs if sign > blow.struck_at), default=None)
        return blow.back_at is not None

    async def _signs(self, blow: Blow) -> list[datetime]:
        if blow.service == "hosts":
            return [call.at for call in await self.calls()]
        events = [event for events in (await self.histories()).values() for event in events]
        if blow.service == "temporal":
            return [moment(event) for event in events]
        return [moment(event) for event in events if _is_taken_by_another(event, f"{blow.pid}@")]

    async def _until(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not await condition():  # noqa: ASYNC110 - other processes tell us nothing
                    await asyncio.sleep(BETWEEN_LOOKS)
        except TimeoutError:
            log = f"See `resprout logs --data-dir {self.stage.data_dir}`."
            raise NotRecovered(f"{what} did not come within {PATIENCE:.0f} s. {log}") from None


async def _is_dead(pid: int | None) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE  # its parent has not yet seen it
    except psutil.NoSuchProcess:
        return True


def _is_taken_by_another(event: HistoryEvent, identity: str) -> bool:
    taken = (event.activity_task_started_event_attributes, event.workflow_task_started_event_attributes)
    return any(one.identity and not one.identity.startswith(identity) for one in taken)
