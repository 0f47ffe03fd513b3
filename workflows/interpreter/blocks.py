"""Tasks that hold tasks: lists, parallel, condition, loop, try."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from temporalio import workflow

from ..flow import evaluate, evaluate_condition
from ..flow.model import Condition, Loop, Parallel, ParallelSpec, Sequential, Task, TaskBase, Try
from .failures import LOOP_LIMIT, TOO_FEW, UNFIT, TaskFailed
from .frame import Frame
from .run_input import Finished

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
        await Group(self.interpreter, tasks, needs, frame, ParallelSpec.model_construct(tasks=tuple(tasks))).run()
        return frame.tasks[tasks[-1].key]["output"]

    async def _sequential(self, task: Sequential, frame: Frame, key: str) -> Any:
        return await self.run_list(task.sequential, frame)

    async def _parallel(self, task: Parallel, frame: Frame, key: str) -> Any:
        spec = task.parallel
        needs = {inner.key: inner.needs or () for inner in spec.tasks}
        await Group(self.interpreter, spec.tasks, needs, frame, spec).run()
        return {inner.key: _outcome(frame.tasks.get(inner.key)) for inner in spec.tasks}

    async def _condition(self, task: Condition, frame: Frame, key: str) -> Any:
        chosen = _branch(task, frame)
        return await self.run_list(chosen, frame) if chosen is not None else None

    async def _loop(self, task: Loop, frame: Frame, key: str) -> Any:
        rounds = Rounds(self.interpreter, task, frame, key)
        output = await (rounds.over() if task.loop.over is not None else rounds.until_enough())
        rounds.forget()
        return output

    async def _try(self, task: Try, frame: Frame, key: str) -> Any:
        interpreter = self.interpreter
        since = len(interpreter.undo)
        try:
            try:
                return await self.run_list(task.try_, frame)
            except TaskFailed as failure:
                await interpreter.compensate(since)
                if task.catch is None:
                    raise
                return await self.run_list(task.catch, frame.catching(failure.as_json()))
        finally:
            if task.finally_ is not None:
                await self.run_list(task.finally_, frame)


class Group:
    """Tasks that run as soon as those that they need have ended."""

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
        self.succeeded = 0
        self.failed: list[TaskFailed] = []
        self.defect: BaseException | None = None
        self.changed = asyncio.Event()

    async def run(self) -> None:
        running = [asyncio.create_task(self._one(task)) for task in self.tasks]
        try:
            while not self._is_over():
                self.changed.clear()
                await self.changed.wait()
        finally:
            await _end(running)
            for task in self.tasks:
                if self.frame.key_of(task) not in self.interpreter.ledger.finished:
                    self.frame.see(task, Finished(status="cancelled"))
        if self.defect is not None:
            raise self.defect
        if self.failed and self.spec.on_error == "fail":
            raise self.failed[0]
        if self.succeeded < self.wanted and self.spec.wait != "all":
            first = self.failed[0]
            raise TaskFailed(
                TOO_FEW, f"{self.succeeded} of the {self.wanted} that are wanted succeeded; first: {first}", first.task
            )

    def _is_over(self) -> bool:
        if self.defect is not None or (self.failed and self.spec.on_error == "fail"):
            return True
        left = len(self.tasks) - self.succeeded - len(self.failed)
        if self.spec.wait == "all":
            return left == 0
        return self.succeeded >= self.wanted or self.succeeded + left < self.wanted

    async def _one(self, task: Task) -> None:
        try:
            for needed in self.needs[task.key]:
                await self.ended[needed].wait()
            async with self.room:
                await self.interpreter.run_task(task, self.frame)
            self.succeeded += 1
        except TaskFailed as failure:
            self.failed.append(failure)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - raised again by `run`
            self.defect = error
        self.ended[task.key].set()
        self.changed.set()


async def _end(running: list["asyncio.Task[None]"]) -> None:
    """Cancels those that run, and waits until they have cleaned up."""
    left = [task for task in running if not task.done()]
    for task in left:
        task.cancel()
    if left:
        await workflow.wait(left)


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


class Rounds:
    """A loop: the same tasks again and again, each round with tasks of its own."""

    def __init__(self, interpreter: "Interpreter", task: Loop, frame: Frame, key: str) -> None:
        self.interpreter = interpreter
        self.ledger = interpreter.ledger
        self.task = task
        self.spec = task.loop
        self.frame = frame
        self.key = key
        self.ended = 0
        self.enough = False

    async def over(self) -> list[Any]:
        items = evaluate(self.spec.over, self.frame.scope)
        if not isinstance(items, list):
            raise TaskFailed(UNFIT, f"`over` must give a list, not a {type(items).__name__}.", self.task.key)
        if self.spec.max is not None and len(items) > self.spec.max:
            raise self._too_many(f"`over` has {len(items):,} items")
        if self.spec.max_parallel > 1:
            return await self._side_by_side(items)
        outputs: list[Any] = []
        for index, item in enumerate(items):
            outputs.append(
                await self._round(
                    index, {self.spec.as_: item, "previous": outputs[-1] if outputs else None}, len(items)
                )
            )
        return outputs

    async def _side_by_side(self, items: list[Any]) -> list[Any]:
        outputs: list[Any] = [None] * len(items)
        numbers = iter(range(len(items)))
        failed: list[Exception] = []

        async def worker() -> None:
            for index in numbers:
                if failed:
                    return
                try:
                    outputs[index] = await self._round(
                        index, {self.spec.as_: items[index], "previous": None}, len(items)
                    )
                except Exception as error:
                    failed.append(error)
                    raise

        workers = [asyncio.create_task(worker()) for _ in range(min(self.spec.max_parallel, len(items)))]
        try:
            if workers:
                await workflow.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            await _end(workers)
        for one in workers:
            if not one.cancelled() and one.exception() is not None and not failed:
                failed.append(cast("Exception", one.exception()))
        if failed:
            raise failed[0]
        return outputs

    async def until_enough(self) -> Any:
        """While and until: the last round's output."""
        previous: Any = None
        limit = self.spec.max
        for index in range(cast("int", limit)):
            around = self.frame.round(self.key, index, {"previous": previous})
            if self.spec.while_ is not None and not evaluate_condition(self.spec.while_, around.scope):
                return previous
            previous = await self._round(index, {"previous": previous}, None)
            if self.enough:
                return previous
        if self.spec.while_ is not None:
            around = self.frame.round(self.key, cast("int", limit), {"previous": previous})
            if not evaluate_condition(self.spec.while_, around.scope):
                return previous
        raise self._too_many("it would go on")

    async def _round(self, index: int, loop: dict[str, Any], of: int | None) -> Any:
        round_key = f"{self.key}[{index}]"
        known = self.ledger.finished.get(round_key)
        if known is not None:
            output = known.output
        else:
            frame = self.frame.round(self.key, index, loop)
            output = await self.interpreter.blocks.run_list(self.spec.do, frame)
            self.enough = self.spec.until is not None and evaluate_condition(self.spec.until, frame.scope)
            if not self.enough:  # the last one stands until the loop itself has ended
                self.ledger.round_ended(round_key, output, frame.keys)
        self.ended += 1
        self.ledger.say(self.key, "running", f"{self.ended} of {of} rounds" if of else f"{self.ended} rounds")
        return output

    def forget(self) -> None:
        """Of a loop that has ended only its output is kept, and how many rounds it took."""
        self.ledger.forget_rounds(self.key, self.ended)
        self.ledger.say(self.key, "running", f"{self.ended:,} round{'' if self.ended == 1 else 's'}")

    def _too_many(self, what: str) -> TaskFailed:
        return TaskFailed(LOOP_LIMIT, f"{what}, and `max` is {self.spec.max}.", self.task.key)
