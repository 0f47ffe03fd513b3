"""Tasks that hold tasks: lists, parallel, condition, loop, try.

What runs side by side is in `group`, the rounds of a loop in `rounds`.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..flow import evaluate, evaluate_condition
from ..flow.model import Condition, Loop, Parallel, ParallelSpec, Sequential, Task, TaskBase, Try
from .failures import TaskFailed
from .frame import Frame
from .group import Group
from .rounds import Rounds
from .shield import shielded

if TYPE_CHECKING:
    from .interpreter import Interpreter

Block = Callable[[Any, Frame, str], Awaitable[Any]]


class Blocks:
    def __init__(self, interpreter: "Interpreter") -> None:
        self.interpreter = interpreter
        self.ledger = interpreter.ledger
        self.kinds: dict[type[TaskBase], Block] = {
            Sequential: self._sequential,
            Parallel: self._parallel,
            Condition: self._condition,
            Loop: self._loop,
            Try: self._try,
        }

    def block_of(self, task: TaskBase) -> Block | None:
        return self.kinds.get(type(task))

    async def run_list(self, tasks: Sequence[Task], frame: Frame) -> Any:
        """In order, unless `needs` says otherwise. The output of the last one."""
        if all(task.needs is None for task in tasks):
            output = None
            for task in tasks:
                output = await self.interpreter.run_task(task, frame)
            return output
        before = {task.key: (tasks[n - 1].key,) if n else () for n, task in enumerate(tasks)}
        needs = {task.key: before[task.key] if task.needs is None else task.needs for task in tasks}
        await Group(self.interpreter, tasks, needs, frame, ParallelSpec.model_construct(tasks=tuple(tasks))).run("")
        return frame.tasks[tasks[-1].key]["output"]

    async def _sequential(self, task: Sequential, frame: Frame, key: str) -> Any:
        return await self.run_list(task.sequential, frame)

    async def _parallel(self, task: Parallel, frame: Frame, key: str) -> Any:
        spec = task.parallel
        needs = {inner.key: inner.needs or () for inner in spec.tasks}
        await Group(self.interpreter, spec.tasks, needs, frame, spec).run(task.key)
        return {inner.key: _outcome(frame.tasks.get(inner.key)) for inner in spec.tasks}

    async def _condition(self, task: Condition, frame: Frame, key: str) -> Any:
        chosen = _branch(task, frame)
        return await self.run_list(chosen, frame) if chosen is not None else None

    async def _loop(self, task: Loop, frame: Frame, key: str) -> Any:
        return await Rounds(self.interpreter, task, frame, key).run()

    async def _try(self, task: Try, frame: Frame, key: str) -> Any:
        try:
            return await self._try_and_catch(task, frame)
        finally:
            if task.finally_ is not None:
                self.interpreter.see_inside(task, frame)
                await shielded(self.run_list(task.finally_, frame))

    async def _try_and_catch(self, task: Try, frame: Frame) -> Any:
        """What does not end well undoes itself, at once: `catch` and `finally` find it cleaned up."""
        scope = frame.scoped()
        try:
            output = await self.run_list(task.try_, scope)
        except asyncio.CancelledError:
            await self.interpreter.compensate(scope)
            raise
        except TaskFailed as failure:
            await self.interpreter.compensate(scope)
            if task.catch is None:
                raise
            self.interpreter.see_inside(task, frame)
            return await self.run_list(task.catch, frame.catching(failure.as_json()))
        frame.undo.extend(scope.undo)
        return output


def _outcome(seen: dict[str, Any] | None) -> Any:
    assert seen is not None
    return {"error": seen["error"]} if seen["error"] is not None else seen["output"]


def _branch(task: Condition, frame: Frame) -> Sequence[Task] | None:
    spec = task.condition
    if spec.switch is not None:
        value = evaluate(spec.switch, frame.scope)
        name = value if isinstance(value, str) else json.dumps(value)
        return spec.cases.get(name, spec.default)
    assert spec.if_ is not None
    if evaluate_condition(spec.if_, frame.scope):
        return spec.then
    for branch in spec.elif_:
        if evaluate_condition(branch.if_, frame.scope):
            return branch.then
    return spec.else_
