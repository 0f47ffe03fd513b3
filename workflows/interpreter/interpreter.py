"""Runs the tasks of a flow: what all tasks have in common. The kinds of tasks are in `blocks` and `steps`.

The rules, and why they hold:

- Everything is a function of the flow, the inputs and what Temporal's history says, so a replay does the same again:
  no clock but the workflow's, no order but that of the flow file and of the history.
- A task that ended stands in the ledger under its key (its id, with the rounds of the loops around it). A run that is
  given the ledger of another walks the same tasks and finds those already done. That one mechanism carries a
  long run over into a new history, starts a failed one again, and forks.
- A run is carried over only while all its steps stand at the gate before they begin, or wait: then nothing is in
  flight, and what waits is found again by when it began.
- A task that is cancelled or fails takes along all that runs inside it before the failure goes further out; so
  `finally` and `compensate` never run beside what they clean up. Neither is interrupted: see `shield`.
- What can be undone belongs to a scope, which a frame carries: the run, the tasks of a `try`, an attempt of a task that
  is tried again. Undoing is itself in the ledger, so a scope that is undone twice (carried over in between) is undone
  once.
- Whatever goes wrong in a task, a defect of ours too, is its failure, which can be caught and undone.
"""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow

from ..flow import Flow, evaluate, evaluate_condition
from ..flow.model import Loop, Parallel, Retry, TaskBase, Try
from .blocks import Blocks
from .budgets import is_counted
from .failures import BUDGET, HOPELESS, TIMEOUT, TaskFailed, failure_of
from .frame import Frame, Undoable
from .ledger import Ledger, inside
from .rounds import Rounds
from .run_input import Carried, Finished
from .shield import shielded
from .sizes import refuse_large
from .steps import Steps

ONCE = Retry(attempts=1)
# A limit that passed before the run was carried over: a timer, so that what cleans up inside is found again first.
SOON = timedelta(milliseconds=1)


class Interpreter:
    def __init__(self, flow: Flow, roots: dict[str, Any], carried: Carried, steps: Steps) -> None:
        self.flow = flow
        self.carried = carried
        self.ledger = Ledger(carried.finished)
        self.steps = steps
        self.blocks = Blocks(self)
        self.top = Frame(roots, budget=steps.run_input.budget)

    async def run(self) -> Any:
        """The flow's output. Raises TaskFailed."""
        try:
            return self._output(await self.blocks.run_list(self.flow.tasks, self.top))
        except asyncio.CancelledError:
            await self.compensate(self.top)
            raise
        except Exception as error:  # noqa: BLE001 - goes on as a failure
            await self.compensate(self.top)
            raise failure_of(error, "outputs") from None

    def _output(self, last: Any) -> Any:
        output = last
        if self.flow.outputs is not None:
            output = {name: evaluate(value, self.top.scope) for name, value in self.flow.outputs.items()}
        refuse_large(output, "the output of the flow", "outputs")
        return output

    async def run_task(self, task: TaskBase, frame: Frame) -> Any:
        """The task's output, null when it is skipped. Raises TaskFailed."""
        key = frame.key_of(task)
        frame.keys.append(key)
        known = self.ledger.known(task, key, workflow.now())
        if known is not None:
            self._recall_inside(task, frame)
        else:
            known = await self._begin(task, frame, key)
        frame.see(task, known)
        self.see_inside(task, frame)
        if known.error is not None:
            raise TaskFailed.of(known.error)
        self._can_be_undone(task, frame, known)
        return known.output

    def _can_be_undone(self, task: TaskBase, frame: Frame, known: Finished) -> None:
        if known.can_be_undone and task.compensate is not None:
            frame.undo.append(Undoable(self.ledger.turns[frame.key_of(task)], task, frame))

    def see_inside(self, task: TaskBase, frame: Frame) -> None:
        """What is inside a block can be referred to. What did not run was skipped; in `parallel`, cancelled."""
        if isinstance(task, Loop):
            return  # its tasks are seen only by its rounds
        otherwise = Finished(status="cancelled" if isinstance(task, Parallel) else "skipped")
        for words, tasks in task.lists():
            for inner in tasks if words != ("compensate",) else ():
                if inner.key not in frame.tasks:
                    frame.see(inner, otherwise)
                self.see_inside(inner, frame)

    def recall(self, task: TaskBase, frame: Frame) -> None:
        """A task of an earlier run, inside a block that ended there: it is seen, and can still be undone."""
        known = self.ledger.finished.get(frame.key_of(task))
        if known is not None:
            frame.keys.append(frame.key_of(task))
            frame.see(task, known)
            self._can_be_undone(task, frame, known)
        self._recall_inside(task, frame)

    def _recall_inside(self, task: TaskBase, frame: Frame) -> None:
        if isinstance(task, Loop):
            Rounds(self, task, frame, frame.key_of(task)).recall()
            return
        for words, tasks in task.lists():
            inside = self._catching(task, frame) if words == ("catch",) else frame
            for inner in tasks if words != ("compensate",) else ():
                self.recall(inner, inside)

    def _catching(self, task: TaskBase, frame: Frame) -> Frame:
        """As `catch` saw it."""
        tried = task.try_ if isinstance(task, Try) else ()
        errors = (seen["error"] for inner in tried if (seen := frame.tasks.get(inner.key)) is not None)
        error = next((error for error in errors if error is not None), None)
        return frame.catching(error) if error is not None else frame

    async def _begin(self, task: TaskBase, frame: Frame, key: str) -> Finished:
        self.ledger.begin(task, key, workflow.now())
        try:
            finished = await self._finish(task, frame, key)
        except asyncio.CancelledError:
            self.ledger.close(key, "cancelled", workflow.now())
            frame.see(task, Finished(status="cancelled"))
            raise
        finally:
            self._forget_clocks(key)
        return self.ledger.end(key, finished, workflow.now())

    async def _finish(self, task: TaskBase, frame: Frame, key: str) -> Finished:
        try:
            if task.if_ is not None and not evaluate_condition(task.if_, frame.scope):
                return Finished(status="skipped")
            output = await self._in_time(task, await self._in_budget(task, frame, key), key)
            return Finished(status="completed", output=output, from_cache=key in self.steps.from_cache)
        except Exception as error:  # noqa: BLE001 - goes on as a failure
            return Finished(status="failed", error=failure_of(error, task.key).as_json())

    async def _in_budget(self, task: TaskBase, frame: Frame, key: str) -> Frame:
        if not is_counted(task):
            return frame
        return frame.within(await self.steps.open_budget(task, frame, key, self.ledger))

    def _forget_clocks(self, key: str) -> None:
        """When it is begun again, its time and its attempts begin again too."""
        self.carried.attempts.pop(key, None)
        for clock in (key, _limit_of(key), _back_off_of(key)):
            self.carried.begun.pop(clock, None)

    async def _in_time(self, task: TaskBase, frame: Frame, key: str) -> Any:
        limits = [(task.timeout, TIMEOUT, "timeout")]
        if task.budget is not None:
            limits.append((task.budget.time, BUDGET, "time budget"))
        given = [limit for limit in limits if limit[0] is not None]
        by_itself = task.retry is None and self.steps.keeps_time(task) and given == [limits[0]]
        if not given or by_itself:
            return await self._attempts(task, frame, key)
        length, type_, name = min(given, key=lambda limit: limit[0] or timedelta.max)
        assert length is not None
        left = max(length - self.steps.elapsed(_limit_of(key)), SOON)
        try:
            async with asyncio.timeout(left.total_seconds()):
                return await self._attempts(task, frame, key)
        except TimeoutError:
            raise TaskFailed(type_, f"its {name} of {length.total_seconds():g} s has passed.", task.key) from None

    async def _attempts(self, task: TaskBase, frame: Frame, key: str) -> Any:
        retry = task.retry or ONCE
        while True:
            attempt = await self._next_attempt(retry, key)
            scope = frame.attempt(key, attempt)
            try:
                return await self._once(task, scope, key)
            except Exception as error:  # noqa: BLE001 - goes on as a failure
                failure = failure_of(error, task.key)
                if attempt >= retry.attempts or not _helps(failure, retry):
                    raise failure from None
                await self.compensate(scope)
            finally:
                frame.undo.extend(scope.undo)
            self._try_again(task, frame, key, attempt)
            length = retry.pause_after(attempt).total_seconds()
            self.ledger.say(key, "waiting", f"attempt {attempt} failed ({failure.message}); again in {length:g} s")

    async def _next_attempt(self, retry: Retry, key: str) -> int:
        """Waits for its time, also when the run was carried over meanwhile."""
        attempt = self.carried.attempts.get(key, 1)
        self.ledger.progress[key].attempt = attempt
        if _back_off_of(key) in self.carried.begun:
            length = retry.pause_after(attempt - 1)
            left = length - self.steps.elapsed(_back_off_of(key))
            if left > timedelta(0):
                await workflow.sleep(left)
            del self.carried.begun[_back_off_of(key)]
            self.ledger.say(key, "running")
        return attempt

    def _try_again(self, task: TaskBase, frame: Frame, key: str, attempt: int) -> None:
        """Forgets what the attempt did before the pause: a run that is carried over in it begins the next one clean."""
        self.ledger.forget_inside(task, frame.prefix)
        for inner in inside(task):
            frame.tasks.pop(inner.key, None)
        self.carried.attempts[key] = attempt + 1
        self.steps.elapsed(_back_off_of(key))

    async def _once(self, task: TaskBase, frame: Frame, key: str) -> Any:
        if task.cache is None:
            return await self._work(task, frame, key)
        place = await self.steps.cached(task, frame, key, self.ledger)
        if place.found:
            self.ledger.say(key, "running", "from the cache")
            return place.output
        output = await self._work(task, frame, key)
        await self.steps.keep(place, output, task)
        return output

    async def _work(self, task: TaskBase, frame: Frame, key: str) -> Any:
        block = self.blocks.block_of(task)
        if block is not None:
            return await block(task, frame, key)
        return await self.steps.run(task, frame, key, self.ledger)

    async def compensate(self, scope: Frame) -> None:
        """Undoes what ended well in the scope, the last first, whatever arrives meanwhile."""
        if scope.undo:
            await shielded(self._compensate(scope))

    async def _compensate(self, scope: Frame) -> None:
        """What fails here is told, and the others are undone all the same. Undoing is not undone."""
        for done in sorted(scope.undo, key=lambda one: one.turn, reverse=True):
            assert done.task.compensate is not None
            try:
                await self.blocks.run_list(done.task.compensate, done.frame.undoing())
            except TaskFailed as failure:
                workflow.logger.error("compensation of %s failed: %s", done.frame.key_of(done.task), failure)
        scope.undo.clear()


def _helps(failure: TaskFailed, retry: Retry) -> bool:
    """Whether trying again may help."""
    return failure.type in retry.on if retry.on else failure.type not in HOPELESS


def _limit_of(key: str) -> str:
    """The clock of the task's `timeout`; the key alone is that of what one attempt waits for."""
    return f"{key} timeout"


def _back_off_of(key: str) -> str:
    return f"{key} back-off"
