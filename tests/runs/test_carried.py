"""A run that takes over what an earlier one has done."""

from typing import Any
from uuid import uuid4

from support.flow_tasks import step
from support.runs import Run, Runs


async def start(runs: Runs, tasks: list[dict[str, Any]], finished: dict[str, Any]) -> Run:
    done = {key: {"status": "completed", "output": output} for key, output in finished.items()}
    words = {"flow": {"flow": {"name": "test"}, "tasks": tasks}, "carried": {"finished": done}}
    return await runs.begin(uuid4().hex[:10], words)


async def test_a_task_may_refer_to_what_is_inside_a_block_that_ended_in_an_earlier_run(runs: Runs) -> None:
    tasks = [
        {"id": "both", "parallel": {"wait": "any", "tasks": [step("a"), step("b")]}},
        step("c", do={"value": "${{ [tasks.a.output.value, tasks.b.status] }}"}),
    ]

    run = await start(runs, tasks, {"a": {"value": "old"}, "both": {}})

    assert (await run.result())["value"] == ["old", "cancelled"]


async def test_a_failure_undoes_what_an_earlier_run_did_inside_a_block(runs: Runs) -> None:
    undo = {"log": "@log"}
    tasks = [
        {"id": "s", "sequential": [step("a", compensate=[step("no_a", do=undo)])]},
        step("b", compensate=[step("no_b", do=undo)]),
        step("bad", do={"fail": 9}),
    ]

    run = await start(runs, tasks, {"a": {}, "s": {}})

    assert "as asked" in await run.failure()
    assert await runs.notes(run, "log", 2) == ["no_b", "no_a"]


async def test_a_block_whose_time_is_up_is_found_again_before_it_ends(runs: Runs) -> None:
    """Carried over while its `finally` ran: the first half of that has been done."""
    cleaning = [step("first", do={"log": "@log"}), step("then", do={"log": "@log"})]
    tried = {"id": "t", "try": [step("slow", do={"think_seconds": 60})], "finally": cleaning}
    block = {"id": "o", "timeout": "1s", "sequential": [step("a"), {"id": "p", "parallel": [tried]}]}
    done = {key: {"status": "completed", "output": {}} for key in ("a", "first")}
    carried = {"finished": done, "begun": {"o timeout": 0.0}}
    words = {"flow": {"flow": {"name": "test"}, "tasks": [block]}, "carried": carried}

    run = await runs.begin(uuid4().hex[:10], words)

    assert "Timeout: the task `o` failed" in await run.failure()
    assert await runs.notes(run, "log", 1) == ["then"]
