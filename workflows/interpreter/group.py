"""Tasks side by side: each begins as soon as those that it needs have ended."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..flow.model import ParallelSpec, Task
from .failures import TOO_FEW, TaskFailed
from .frame import Frame
from .run_input import Finished
from .shield import end

if TYPE_CHECKING:
    from .interpreter import Interpreter


class Group:
    def __init__(
        self,
        interpreter: "Interpreter",
        tasks: Sequence[Task],
        needs: dict[str, tuple[str, ...]],
        frame: Frame,
        spec: ParallelSpec,
    ) -> None:
        self.interpreter = interpreter
        self.tasks = tasks
        self.needs = needs
        self.frame = frame
        self.spec = spec
        self.wanted = len(tasks) if spec.wait == "all" else 1 if spec.wait == "any" else min(spec.wait, len(tasks))
        self.room = asyncio.Semaphore(spec.max or len(tasks))
        self.ended: dict[str, asyncio.Event] = {task.key: asyncio.Event() for task in tasks}
        self.left = len(tasks)
        self.succeeded = 0  # neither failed nor skipped
        self.failed: list[TaskFailed] = []
        self.defect: BaseException | None = None
        self.changed = asyncio.Event()

    async def run(self, owner: str) -> None:
        running = [asyncio.create_task(self._one(task)) for task in self.tasks]
        try:
            while not self._is_over():
                self.changed.clear()
                await self.changed.wait()
        finally:
            try:
                await end(running)
            finally:
                self._see_who_did_not_end()
        if self.defect is not None:
            raise self.defect
        if self.failed and self.spec.on_error == "fail":
            raise self.failed[0]
        if self.succeeded < self.wanted and self.spec.wait != "all":
            raise self._too_few(owner)

    def _see_who_did_not_end(self) -> None:
        for task in self.tasks:
            if self.frame.key_of(task) not in self.interpreter.ledger.finished:
                self.frame.see(task, Finished(status="cancelled"))

    def _too_few(self, owner: str) -> TaskFailed:
        why = f"first: {self.failed[0]}" if self.failed else "the others were skipped."
        return TaskFailed(
            TOO_FEW,
            f"{self.succeeded} of the {self.wanted} that are wanted succeeded; {why}",
            self.failed[0].task if self.failed else owner,
        )

    def _is_over(self) -> bool:
        if self.defect is not None or (self.failed and self.spec.on_error == "fail"):
            return True
        if self.spec.wait == "all":
            return self.left == 0
        return self.succeeded >= self.wanted or self.succeeded + self.left < self.wanted

    async def _one(self, task: Task) -> None:
        try:
            for needed in self.needs[task.key]:
                await self.ended[needed].wait()
            async with self.room:
                if not self._is_over():  # what it needed, or what ran before it, may have settled all
                    await self.interpreter.run_task(task, self.frame)
                    self.succeeded += self.frame.tasks[task.key]["status"] == "completed"
        except TaskFailed as failure:
            self.failed.append(failure)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - raised again by `run`
            self.defect = error
        self.left -= 1
        self.ended[task.key].set()
        self.changed.set()
