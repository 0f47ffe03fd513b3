"""Signals: which task gets which, and what outsiders may send."""

from typing import Any
from uuid import uuid4

from support.flow_tasks import step
from support.runs import Runs
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowExecutionStatus
from temporalio.common import RawValue


def waits(id: str) -> dict[str, Any]:  # noqa: A002
    return {"id": id, "wait": {"signal": "go"}}


async def test_each_signal_goes_to_the_task_that_has_waited_longest(runs: Runs) -> None:
    run = await runs.start([{"id": "both", "parallel": [waits("first"), waits("second")]}])

    await run.handle.execute_update("signal", args=["go", 1])
    await run.reach("first", "completed")
    await run.handle.execute_update("signal", args=["go", 2])

    assert await run.result() == {"first": 1, "second": 2}


async def test_of_two_that_wait_for_a_signal_the_one_that_is_cancelled_takes_none(runs: Runs) -> None:
    race = {"id": "race", "parallel": {"wait": "any", "tasks": [waits("a"), waits("b")]}}
    run = await runs.start([race, waits("c")])
    await run.reach("b", "waiting")

    await run.handle.signal("go", 1)
    await run.reach("c", "waiting")
    await run.handle.signal("go", 2)

    assert await run.result() == 2


async def test_a_signal_that_cannot_be_read_is_dropped(runs: Runs) -> None:
    broken = RawValue(Payload(metadata={"encoding": b"json/plain"}, data=b"{oops"))
    run = await runs.start([waits("w")])

    await run.handle.signal("nobody", broken)
    await run.handle.signal("go", broken)
    await run.handle.signal("go", 3)

    assert await run.result() == 3


async def test_a_run_tells_which_signals_came_early(runs: Runs) -> None:
    run = await runs.start([step("slow", do={"think_seconds": 60}), waits("w")])

    await run.handle.signal("go", 7)

    assert await run.handle.query("signals") == {"go": [7]}
    await run.handle.terminate("seen")


async def test_a_run_that_goes_on_from_another_has_its_early_signals(runs: Runs) -> None:
    words = {"flow": {"flow": {"name": "test"}, "tasks": [waits("w")]}, "carried": {"signals": {"go": [7]}}}

    run = await runs.begin(uuid4().hex[:10], words)

    assert await run.result() == 7
    assert (await run.handle.describe()).status == WorkflowExecutionStatus.COMPLETED
