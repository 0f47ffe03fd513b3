"""A loop: the same tasks again and again, each round with tasks of its own.

Of a round that has ended only its output is kept, unless something in it can still be undone: then all of it stays in
the ledger, and the outputs of all rounds do, so that a run that goes on from here can undo it too.
"""

import asyncio
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from temporalio import workflow

from ..flow import evaluate, evaluate_condition
from ..flow.model import Loop
from .failures import LOOP_LIMIT, UNFIT, TaskFailed
from .frame import Frame
from .ledger import inside
from .run_input import Finished
from .shield import end

if TYPE_CHECKING:
    from .interpreter import Interpreter


class Rounds:
    def __init__(self, interpreter: "Interpreter", task: Loop, frame: Frame, key: str) -> None:
        self.interpreter = interpreter
        self.ledger = interpreter.ledger
        self.task = task
        self.spec = task.loop
        self.frame = frame
        self.key = key
        self.ended = 0
        self.last: Frame | None = None  # the round after which it was enough
        self.keeps = False  # something in it can be undone

    async def run(self) -> Any:
        output = await (self._over() if self.spec.over is not None else self._until_enough())
        self._forget()
        self.ledger.say(self.key, "running", self._count())
        return output

    async def _over(self) -> list[Any]:
        items = self._items()
        if self.spec.max is not None and len(items) > self.spec.max:
            raise self._too_many(f"`over` has {len(items):,} items")
        if self.spec.max_parallel > 1:
            return await self._side_by_side(items)
        outputs: list[Any] = []
        for index, item in enumerate(items):
            outputs.append(await self._round(index, {self.spec.as_: item, **self._told(outputs)}, len(items)))
        return outputs

    def _items(self) -> list[Any]:
        items = evaluate(self.spec.over, self.frame.scope)
        if not isinstance(items, list):
            raise TaskFailed(UNFIT, f"`over` must give a list, not a {type(items).__name__}.", self.task.key)
        return items

    async def _side_by_side(self, items: list[Any]) -> list[Any]:
        outputs: list[Any] = [None] * len(items)
        numbers = iter(range(len(items)))
        failed: list[BaseException] = []

        async def worker() -> None:
            for index in numbers:
                if failed:
                    return
                loop = {self.spec.as_: items[index], **self._told(())}
                try:
                    outputs[index] = await self._round(index, loop, len(items))
                except asyncio.CancelledError:
                    raise
                except BaseException as error:
                    failed.append(error)
                    raise

        workers = [asyncio.create_task(worker()) for _ in range(min(self.spec.max_parallel, len(items)))]
        try:
            if workers:
                await workflow.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            await end(workers)
        if failed:
            raise failed[0]
        return outputs

    async def _until_enough(self) -> Any:
        """While and until: the last round's output."""
        outputs: list[Any] = []
        limit = cast("int", self.spec.max)
        for index in range(limit):
            if not self._goes_on(index, outputs):
                return outputs[-1] if outputs else None
            output = await self._round(index, self._told(outputs), None)
            outputs = [*outputs, output] if self._tells_outputs else [output]
            if self.last is not None:
                return output
        if self.spec.while_ is None or self._goes_on(limit, outputs):
            raise self._too_many("it would go on")
        return outputs[-1]

    def _goes_on(self, index: int, outputs: list[Any]) -> bool:
        around = self.frame.round(self.key, index, self._told(outputs))
        return self.spec.while_ is None or evaluate_condition(self.spec.while_, around.scope)

    def _told(self, outputs: Sequence[Any]) -> dict[str, Any]:
        """What a round knows of those before it. A round keeps what it was told, so it is told all of them only where
        somebody asks: of ten thousand rounds that would be much."""
        told = {"previous": outputs[-1] if outputs else None}
        return {**told, "outputs": list(outputs)} if self._tells_outputs else told

    @cached_property
    def _tells_outputs(self) -> bool:
        return "outputs" in self.task.model_dump_json()

    async def _round(self, index: int, loop: dict[str, Any], of: int | None) -> Any:
        known = self.ledger.finished.get(self._key_of(index))
        if known is not None:
            output = known.output
            if self._can_be_undone:
                self._recall_round(index, loop)
        else:
            output = await self._run_round(index, loop)
        self.ended += 1
        self.ledger.say(self.key, "running", f"{self.ended} of {of} rounds" if of else self._count())
        return output

    async def _run_round(self, index: int, loop: dict[str, Any]) -> Any:
        frame = self._enter(index, loop)
        try:
            output = await self.interpreter.blocks.run_list(self.spec.do, frame)
        finally:
            self.frame.undo.extend(frame.undo)
        if self.spec.until is not None and evaluate_condition(self.spec.until, frame.scope):
            self.last = frame  # stands as it is until the loop has ended: `until` may be asked again
        else:
            self._leave(frame)
            self.ledger.finished[self._key_of(index)] = Finished(status="completed", output=output)
            self.frame.keys.append(self._key_of(index))
        return output

    def _count(self) -> str:
        return f"{self.ended:,} round{'' if self.ended == 1 else 's'}"

    def _key_of(self, index: int) -> str:
        return f"{self.key}[{index}]"

    def _enter(self, index: int, loop: dict[str, Any]) -> Frame:
        frame = self.frame.round(self.key, index, loop)
        self.frame.rounds[frame.prefix] = frame
        return frame

    def _leave(self, frame: Frame) -> None:
        if frame.undo:
            self.keeps = True
        else:
            self.ledger.forget(frame.every_key())
            del self.frame.rounds[frame.prefix]

    def _forget(self) -> None:
        """Of a loop that has ended only its output is kept, unless something in it can be undone."""
        if self.last is not None:
            self._leave(self.last)
        if not self.keeps:
            self.ledger.forget(self._key_of(index) for index in range(self.ended))

    def _too_many(self, what: str) -> TaskFailed:
        return TaskFailed(LOOP_LIMIT, f"{what}, and `max` is {self.spec.max}.", self.task.key)

    # A run that goes on from an earlier one.

    @cached_property
    def _can_be_undone(self) -> bool:
        return any(inner.compensate is not None for task in self.spec.do for inner in inside(task))

    def recall(self) -> None:
        """Of a loop that began in an earlier run: what in it can be undone."""
        known = sorted(self.ledger.rounds_before.get(self.key, ()))
        if not known or not self._can_be_undone:
            return
        items = self._items() if self.spec.over is not None else None
        for index in known if items is None else known[: len(items)]:
            item = {self.spec.as_: items[index]} if items is not None else {}
            self._recall_round(index, {**item, **self._told(self._outputs_before(index))})

    def _outputs_before(self, index: int) -> list[Any]:
        if self.spec.max_parallel > 1:
            return []
        first = 0 if self._tells_outputs else max(index - 1, 0)
        known = (self.ledger.finished.get(self._key_of(before)) for before in range(first, index))
        return [one.output if one is not None else None for one in known]

    def _recall_round(self, index: int, loop: dict[str, Any]) -> None:
        frame = self._enter(index, loop)
        for task in self.spec.do:
            self.interpreter.recall(task, frame)
        self.frame.undo.extend(frame.undo)
        self.frame.keys.append(self._key_of(index))
        self.keeps = self.keeps or bool(frame.undo)
        if next(frame.every_key(), None) is None:
            del self.frame.rounds[frame.prefix]
