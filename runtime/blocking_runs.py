"""Runs for code without a loop: what can be asked of them, waited for."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Unpack

from .blocking_client import LoopInThread
from .runs import RunRef, Runs

if TYPE_CHECKING:
    from .agent_words import AgentWords


class BlockingRun:
    def __init__(self, run: RunRef, thread: LoopInThread) -> None:
        self._run = run
        self._thread = thread
        self.id = run.id
        self.url = run.url
        self.describe = thread.blocking(run.describe)
        self.exists = thread.blocking(run.exists)
        self.result = thread.blocking(run.result)
        self.state = thread.blocking(run.state)
        self.finished = thread.blocking(run.finished)
        self.given = thread.blocking(run.given)
        self.pause = thread.blocking(run.pause)
        self.resume = thread.blocking(run.resume)
        self.signal = thread.blocking(run.signal)
        self.steer = thread.blocking(run.steer)
        self.answer = thread.blocking(run.answer)
        self.cancel = thread.blocking(run.cancel)
        self.terminate = thread.blocking(run.terminate)

    def watch(self) -> Iterator[dict[str, Any]]:
        return self._thread.each(self._run.watch())

    def continue_(self, goal: str = "", *, id: str | None = None, **changes: "Unpack[AgentWords]") -> "BlockingRun":  # noqa: A002
        return BlockingRun(self._thread.blocking(self._run.continue_)(goal, id=id, **changes), self._thread)


class BlockingRuns:
    def __init__(self, runs: Runs, thread: LoopInThread) -> None:
        self._runs = runs
        self._thread = thread
        self.list = thread.blocking(runs.list)
        self.nearest = thread.blocking(runs.nearest)

    def get(self, id: str) -> BlockingRun:  # noqa: A002
        return BlockingRun(self._runs.get(id), self._thread)
