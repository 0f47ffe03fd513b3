"""How much of a run is with Temporal at once. What is beyond waits its turn.

Temporal refuses the 2,001st activity or child flow in flight of one run, and a workflow task that begins more than
4 MB of them: it would be tried again, and refused again, for ever.
"""

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import timedelta

from temporalio import workflow

from ..flow.model import Approval, Child, TaskBase, Wait

MOST_AT_ONCE = 1_000
MOST_KEPT_AT_ONCE = 500  # outputs on their way to the cache, beside the activities
MOST_BYTES = 2_000_000  # begun in one workflow task
LARGEST_IN_PLACE = 64 * 1024  # larger payloads are kept aside, and a reference travels
AROUND = 1_000  # bytes of each beside its payload
NEXT_TASK = timedelta(milliseconds=1)


class Load:
    def __init__(self) -> None:
        self.activities = asyncio.Semaphore(MOST_AT_ONCE)
        self.children = asyncio.Semaphore(MOST_AT_ONCE)
        self.keeping = asyncio.Semaphore(MOST_KEPT_AT_ONCE)
        self.door = asyncio.Lock()
        self.bytes = 0  # begun in the workflow task in which the history had `length` events
        self.length = -1

    def room_for(self, task: TaskBase) -> AbstractAsyncContextManager[None]:
        """Held while the task is at work. Those that wait for time, signals or people need none."""
        if isinstance(task, Wait | Approval):
            return nullcontext()
        return self.children if isinstance(task, Child) else self.activities

    async def admit(self, size: int) -> None:
        """Returns when so many bytes may be begun; in this workflow task, if it has not begun too many already."""
        size = min(size, LARGEST_IN_PLACE) + AROUND
        async with self.door:
            while not self._fits(size):
                await workflow.sleep(NEXT_TASK)
            self.bytes += size

    def _fits(self, size: int) -> bool:
        length = workflow.info().get_current_history_length()
        if length != self.length:
            self.length, self.bytes = length, 0
        return self.bytes + size <= MOST_BYTES
