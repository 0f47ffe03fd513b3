"""Runs activations without a task for each: a runner takes one after the other, and when one of them waits for
something, another runner goes on with the rest.

A task costs more than a short turn. Most turns never wait, so a few runners carry thousands of agents; there are as
many runners as there are turns that wait at the same time, and some spare ones.

The invariant: to cancel a runner's task is to interrupt the activation that it carries, until `stop`. Whoever is
carried next must not pay for it: nobody cancels the task in which he runs, and what was asked for is forgotten.
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from .logger import get_logger

if TYPE_CHECKING:
    from .activation import Activation

log = get_logger("resprout.host")

MOST_SPARE = 64


class Runners:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.ready: deque[Activation] = deque()
        self.spare: list[asyncio.Future[None]] = []  # runners that wait for work
        self.tasks: set[asyncio.Task[None]] = set()
        self.pumping = False
        self.stopped = False

    def run(self, activation: "Activation") -> None:
        self.ready.append(activation)
        if not self.pumping and not self.stopped:
            self.pumping = True
            self.loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Once in each round of the loop while something is ready: whoever ran in the last round waits now."""
        if not self.ready or self.stopped:
            self.pumping = False
            return
        while self.spare:
            wake = self.spare.pop()
            if not wake.done():
                wake.set_result(None)
                break
        else:
            task = self.loop.create_task(self._runner())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        # After the runner has had its turn: it is woken by what stands in the queue before this call.
        self.loop.call_soon(self._pump_later)

    def _pump_later(self) -> None:
        self.loop.call_soon(self._pump)

    async def _runner(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        while True:
            while self.ready:
                await self._carry(self.ready.popleft(), task)
            if len(self.spare) >= MOST_SPARE:
                return
            wake: asyncio.Future[None] = self.loop.create_future()
            self.spare.append(wake)
            await wake

    async def _carry(self, activation: "Activation", task: "asyncio.Task[None]") -> None:
        activation.task = task
        try:
            await activation.run()
        except asyncio.CancelledError:
            if self.stopped or not activation.closing:
                raise  # otherwise it was the activation that was cut, not this runner
        except Exception:
            log.exception("a defect in the delivery", agent=str(activation.address))
            activation.met_defect()
        finally:
            activation.ran()
        if not self.stopped:
            forget_cancellation(task)

    def stop(self) -> None:
        """Ends them all, whatever they carry."""
        self.stopped = True
        for task in list(self.tasks):
            task.cancel()


def forget_cancellation(task: "asyncio.Task[None]") -> None:
    while task.cancelling():
        task.uncancel()
