"""An asyncio loop without a clock and without chance: time is a number, and who runs next is drawn from a seed.

- Time stands still while anything can run, and jumps to the next timer when nothing can. Nobody sleeps.
- Every handle belongs to a process: the one named by a context variable in the handle's context. Tasks and callbacks
  inherit it, so all that a host starts is the host's.
- Between processes the seed draws who is next. Within a process handles run in the order in which they came: asyncio
  promises that, and the core may rely on it (replies in the order of a batch, mail in the order of its rows).
- A killed process runs nothing any more: no `finally`, no cancellation, as after kill -9. Its handles are kept until
  the end of the schedule, because Python would close coroutines that nobody holds, which runs their `finally`.
- A stopped process keeps its handles, and its timers fall due while it stands. When it is resumed, they run late.

Weak: a turn of the loop takes no time here, so races with pure computing show only as far as latencies imitate them.
"""

import asyncio
import heapq
import inspect
import itertools
import random
from asyncio import Handle, TimerHandle
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar

Result = TypeVar("Result")

MOST_STEPS_AT_ONCE = 200_000


class Stuck(Exception):
    """The loop runs for ever without time going on, or nothing is left that could ever run."""


class Process:
    """What a kill or a stop hits as a whole."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.stopped = False
        self.ready: deque[Handle] = deque()
        self.context = copy_context()
        self.context.run(PROCESS.set, self)

    @property
    def runs(self) -> bool:
        return self.alive and not self.stopped


PROCESS: ContextVar[Process] = ContextVar("process")


class SimulatedLoop(asyncio.AbstractEventLoop):
    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.world = Process("world")
        self.steps = 0
        self.over = False
        self.failures: list[dict[str, Any]] = []  # what no one caught
        self._now = 0.0
        self._runnable: list[Process] = []
        self._timers: list[tuple[float, int, TimerHandle]] = []
        self._numbers = itertools.count()
        self._graves: list[Handle] = []

    # What a schedule does to processes.

    def kill(self, process: Process) -> None:
        process.alive = False
        self._graves.extend(process.ready)
        process.ready.clear()
        if process in self._runnable:
            self._runnable.remove(process)

    def stop_process(self, process: Process) -> None:
        process.stopped = True
        if process in self._runnable:
            self._runnable.remove(process)

    def resume(self, process: Process) -> None:
        process.stopped = False
        if process.alive and process.ready:
            self._runnable.append(process)

    def simulate(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Runs the work, and all that it starts, to the end of the work."""
        asyncio._set_running_loop(self)
        try:
            task = self.world.context.run(self.create_task, work)
            while not task.done():
                self._step()
            return task.result()
        finally:
            asyncio._set_running_loop(None)
            self._bury()

    def _step(self) -> None:
        begun = self._now
        for _ in range(MOST_STEPS_AT_ONCE):
            if not self._runnable:
                self._wait()
                return
            process = self._draw()
            handle = process.ready.popleft()
            if not process.ready:
                self._runnable.remove(process)
            self.steps += 1
            if not handle.cancelled():
                handle._run()
            if process is self.world:
                return  # the work may have ended
        raise Stuck(f"{MOST_STEPS_AT_ONCE} steps at second {begun} and no end")

    def _draw(self) -> Process:
        if len(self._runnable) == 1:
            return self._runnable[0]
        return self._runnable[int(self.chance.random() * len(self._runnable))]

    def _wait(self) -> None:
        """Nothing can run: the next timer's time has come."""
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not timers:
            raise Stuck("nothing is left that could run")
        self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            _, _, handle = heapq.heappop(timers)
            if not handle.cancelled():
                self._queue(handle)

    def _queue(self, handle: Handle) -> None:
        process = handle._context.get(PROCESS, self.world)  # type: ignore[attr-defined]
        if not process.alive:
            self._graves.append(handle)
            return
        process.ready.append(handle)
        if len(process.ready) == 1 and not process.stopped:
            self._runnable.append(process)

    def _bury(self) -> None:
        """The schedule is over. What is left of it goes without a word."""
        self.over = True
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            work = task.get_coro()
            if inspect.iscoroutine(work) and inspect.getcoroutinestate(work) == inspect.CORO_CREATED:
                work.close()
        self._graves.clear()
        self._timers.clear()
        self._runnable.clear()

    # What asyncio asks of a loop.

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Handle:  # type: ignore[override]
        handle = Handle(callback, args, self, context)
        if not self.over:
            self._queue(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> TimerHandle:
        handle = TimerHandle(when, callback, args, self, context)
        if not self.over:
            heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def _timer_handle_cancelled(self, handle: TimerHandle) -> None:
        """It is skipped when its time comes."""

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self, work: Coroutine[Any, Any, Result], *, name: str | None = None, context: Context | None = None
    ) -> "asyncio.Task[Result]":
        if self.over:  # asked by a coroutine that is being closed
            work.close()
            return self.create_future()  # type: ignore[return-value]
        return asyncio.Task(work, loop=self, name=name, context=context)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self.over

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self.over:
            self.failures.append(context)
