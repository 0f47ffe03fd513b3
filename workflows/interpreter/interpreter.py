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
  `finally` and `compensate` never run beside what they clean up.
"""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow

from ..flow import Flow, evaluate, evaluate_condition
from ..flow.model import Loop, Parallel, Retry, TaskBase
from .blocks import Blocks
from .failures import BUDGET, HOPELESS, TIMEOUT, TaskFailed, failure_of
from .frame import Frame
from .ledger import Ledger
from .run_input import Carried, Finished
from .sizes import refuse_large
from .steps import Steps


class Interpreter:
    def __init__(self, flow: Flow, roots: dict[str, Any], carried: Carried, steps: Steps) -> None:
        self.flow = flow
        self.carried = carried
        self.ledger = Ledger(carried.finished)
        self.steps = steps
        self.blocks = Blocks(self)
        self.top = Frame(roots)
        self.undo: list[tuple[TaskBase, Frame]] = []  # tasks that ended well and can be compensated, in that order

    async def run(self) -> Any:
        """The flow's output. Raises TaskFailed."""
        try:
            last = await self.blocks.run_list(self.flow.tasks, self.top)
            return self._output(last)
        except (TaskFailed, asyncio.CancelledError):
            await self.compensate(since=0)
            raise

    def _output(self, last: Any) -> Any:
        output = last
        if self.flow.outputs is not None:
            try:
                output = {name: evaluate(value, self.top.scope) for name, value in self.flow.outputs.items()}
            except Exception as error:  # noqa: BLE001 - failure_of raises what it does not know
                raise failure_of(error, "outputs") from None
        refuse_large(output, "the output of the flow", "outputs")
        return output

    async def run_task(self, task: TaskBase, frame: Frame) -> Any:
        """The task's output, null when it is skipped. Raises TaskFailed."""
        key = frame.key_of(task)
        frame.keys.append(key)
        known = self.ledger.known(task, key, workflow.now())
        resumed = known is not None
        if known is None:
            known = await self._begin(task, frame, key)
        frame.see(task, known)
        self._see_inside(task, frame, resumed=resumed)
        if known.error is not None:
            raise TaskFailed.of(known.error)
        if known.can_be_undone and task.compensate is not None:
            self.undo.append((task, frame))
        return known.output

    def _see_inside(self, task: TaskBase, frame: Frame, *, resumed: bool) -> None:
        """What is inside a block that has ended: later tasks may refer to it. What did not run was skipped.

        Of a block that ended in an earlier run, what is inside can still be undone.
        """
        if isinstance(task, Loop):
            return  # its tasks are seen only by its rounds
        for words, tasks in task.lists():
            for inner in tasks if words != ("compensate",) else ():
                self._see_inside(inner, frame, resumed=resumed)
                if resumed or inner.key not in frame.tasks:
                    self._see_one(inner, frame, "cancelled" if isinstance(task, Parallel) else "skipped", resumed)

    def _see_one(self, task: TaskBase, frame: Frame, otherwise: str, resumed: bool) -> None:
        key = frame.key_of(task)
        known = self.ledger.finished.get(key)
        frame.see(task, known or Finished(status=otherwise))
        if known is not None and resumed:
            frame.keys.append(key)
            if known.can_be_undone and not self._is_undone(task, frame):
                self.undo.append((task, frame))

    def _is_undone(self, task: TaskBase, frame: Frame) -> bool:
        """Or has nothing that undoes it."""
        return not task.compensate or any(frame.key_of(inner) in self.ledger.finished for inner in task.compensate)

    async def _begin(self, task: TaskBase, frame: Frame, key: str) -> Finished:
        self.ledger.begin(task, key, workflow.now())
        try:
            if task.if_ is not None and not evaluate_condition(task.if_, frame.scope):
                return self.ledger.end(key, Finished(status="skipped"), workflow.now())
            output = await self._in_time(task, frame, key)
        except asyncio.CancelledError:
            self.ledger.close(key, "cancelled", workflow.now())
            raise
        except Exception as error:  # noqa: BLE001 - failure_of raises what it does not know
            failure = failure_of(error, task.key)
            return self.ledger.end(key, Finished(status="failed", error=failure.as_json()), workflow.now())
        from_cache = key in self.steps.from_cache
        return self.ledger.end(key, Finished(status="completed", output=output, from_cache=from_cache), workflow.now())

    async def _in_time(self, task: TaskBase, frame: Frame, key: str) -> Any:
        limits = [(task.timeout, TIMEOUT, "timeout")]
        if task.budget is not None:
            limits.append((task.budget.time, BUDGET, "time budget"))
        given = [limit for limit in limits if limit[0] is not None]
        if not given or (task.retry is None and len(given) == 1 and self.steps.keeps_time(task)):
            return await self._attempts(task, frame, key)
        length, type_, name = min(given, key=lambda limit: limit[0] or timedelta.max)
        assert length is not None
        try:
            async with asyncio.timeout((length - self.steps.elapsed(key)).total_seconds()):
                return await self._attempts(task, frame, key)
        except TimeoutError:
            raise TaskFailed(type_, f"its {name} of {length.total_seconds():g} s has passed.", task.key) from None

    async def _attempts(self, task: TaskBase, frame: Frame, key: str) -> Any:
        retry = task.retry or Retry(attempts=1)
        attempts = self.carried.attempts
        while True:
            attempt = attempts.get(key, 1)
            try:
                output = await self._once(task, frame, key)
            except Exception as error:  # noqa: BLE001 - failure_of raises what it does not know
                failure = failure_of(error, task.key)
                if attempt >= retry.attempts or not _helps(failure, retry):
                    attempts.pop(key, None)
                    raise failure from None
                attempts[key] = attempt + 1
                await self._before_next(task, frame, key, failure, retry, attempt)
            else:
                attempts.pop(key, None)
                return output

    async def _before_next(
        self, task: TaskBase, frame: Frame, key: str, failure: TaskFailed, retry: Retry, attempt: int
    ) -> None:
        pause = retry.pause_after(attempt)
        progress = self.ledger.progress[key]
        self.ledger.say(
            key, "waiting", f"attempt {attempt} failed ({failure.message}); again in {pause.total_seconds():g} s"
        )
        await workflow.sleep(pause)
        for _, tasks in task.lists():
            for inner in tasks:
                self.ledger.forget_all(inner, frame.prefix)
        self.ledger.say(key, "running")
        progress.attempt = attempt + 1

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

    async def compensate(self, since: int) -> None:
        """Undoes what ended well, the last first. What fails here is told, and the others are undone all the same."""
        while len(self.undo) > since:
            task, frame = self.undo.pop()
            assert task.compensate is not None
            try:
                await self.blocks.run_list(task.compensate, frame)
            except TaskFailed as failure:
                workflow.logger.error("compensation of %s failed: %s", frame.key_of(task), failure)


def _helps(failure: TaskFailed, retry: Retry) -> bool:
    """Whether trying again may help."""
    return failure.type in retry.on if retry.on else failure.type not in HOPELESS
