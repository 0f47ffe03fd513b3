"""What is undone and cleaned up, by whom, and what nothing interrupts."""

from pathlib import Path
from typing import Any

import pytest
from runs.test_tools import file, until_exists, world
from support.flow_tasks import step
from support.runs import Run, Runs
from temporalio.client import WorkflowFailureError

__all__ = ["file"]

LOG = {"log": "@log"}
FAT = 60_000  # bytes of an output: some 70 of these, and Temporal suggests a new history


def logged(name: str, **do: Any) -> dict[str, Any]:
    return step(name, do={**LOG, **do})


def booked(name: str, **words: Any) -> dict[str, Any]:
    return step(name, compensate=[logged(f"undo_{name}")], **words)


def in_round(id: str, agent: str, *, fail: str = "0", compensate: Any = None, **do: Any) -> dict[str, Any]:  # noqa: A002
    """A step with an agent of its own in each round."""
    task = {"id": id, "agent": f"@{agent}${{{{ loop.item }}}}", "ask": "step.do", "with": {"fail": fail, **do}}
    return {**task, "compensate": [compensate]} if compensate is not None else task


def held(file: Path) -> dict[str, Any]:
    """It goes on until there is a gate."""
    return world("safe", file, before=str(gate_of(file)))


def gate_of(file: Path) -> Path:
    return file.with_name("gate")


async def test_a_try_undoes_nothing_of_what_runs_beside_it(runs: Runs) -> None:
    trying = {"id": "t", "try": [step("bad", do={"think_seconds": 0.5, "fail": 9})], "catch": [step("c")]}
    run = await runs.start([{"id": "p", "parallel": [booked("b"), trying]}])

    await run.result()

    assert await runs.notes(run, "log") == []


async def test_sagas_side_by_side_undo_each_its_own(runs: Runs) -> None:
    saga = {
        "id": "t",
        "try": [
            in_round("book", "book", compensate=in_round("un", "un", **LOG)),
            in_round("pay", "pay", fail="${{ loop.item == 'x' ? 9 : 0 }}", think_seconds=0.5),
        ],
        "catch": [in_round("c", "c")],
    }
    run = await runs.start([{"id": "lp", "loop": {"over": ["x", "y"], "max_parallel": 2, "do": [saga]}}])

    await run.result()

    assert await runs.notes(run, "log", 1) == ["unx"]


async def test_what_a_cancelled_try_did_is_undone_though_the_flow_goes_on(runs: Runs) -> None:
    slow = {"id": "t", "try": [booked("b"), step("slow", do={"think_seconds": 60})], "catch": [step("c")]}
    race = {"wait": "any", "tasks": [slow, {"id": "fast", "wait": {"signal": "go"}}]}
    run = await runs.start([{"id": "race", "parallel": race}])
    await run.reach("b", "completed")

    await run.handle.signal("go", "fast")

    assert (await run.result())["fast"] == "fast"
    assert await runs.notes(run, "log", 1) == ["undo_b"]


async def test_what_a_try_did_that_ended_well_is_undone_with_what_is_around_it(runs: Runs) -> None:
    calm = {"id": "t", "try": [booked("b")], "catch": [step("c")]}
    run = await runs.start([booked("a"), calm, step("bad", do={"fail": 9})])

    await run.failure()

    assert await runs.notes(run, "log", 2) == ["undo_b", "undo_a"]


async def test_rounds_are_undone_though_the_run_went_on_in_a_new_history(runs: Runs) -> None:
    undo = {**in_round("no", "no", **LOG), "if": "${{ loop.item < 2 }}"}
    do = in_round("one", "one", size=FAT, value="${{ loop.index }}", compensate=undo)
    run = await runs.start([{"id": "lp", "loop": {"over": list(range(80)), "do": [do]}}, step("bad", do={"fail": 9})])

    assert "AgentFailed" in await run.failure()

    assert await is_carried_over(run)
    assert await runs.notes(run, "log", 2) == ["no1", "no0"]


async def test_a_cancellation_while_a_run_is_undone_takes_effect_afterwards(runs: Runs, file: Path) -> None:
    slowly = step("b", compensate=[held(file), logged("then")])
    run = await runs.start([booked("a"), slowly, step("bad", do={"fail": 9})])

    await cancel_while_held(run, file)

    assert await runs.notes(run, "log", 2) == ["then", "undo_a"]
    assert await status_at_the_end(run) == "CANCELED"


async def test_a_cancellation_while_finally_runs_takes_effect_afterwards(runs: Runs, file: Path) -> None:
    task = {"id": "t", "try": [step("a")], "finally": [held(file), logged("then")]}
    run = await runs.start([task, step("never")])

    await cancel_while_held(run, file)

    assert await runs.notes(run, "log", 1) == ["then"]
    assert await status_at_the_end(run) == "CANCELED"
    assert await runs.times(run, "never") == 0


async def test_a_timeout_around_what_cleans_up_takes_effect_afterwards(runs: Runs) -> None:
    cleaning = [step("f", do={"think_seconds": 1.5}), logged("then")]
    run = await runs.start([{"id": "t", "timeout": "1s", "try": [step("a")], "finally": cleaning}])

    assert "Timeout: the task `t` failed" in await run.failure()

    assert await runs.notes(run, "log", 1) == ["then"]


async def test_branches_that_clean_up_are_waited_for_however_often_they_are_cancelled(runs: Runs) -> None:
    slow = {"id": "t", "try": [step("slow", do={"think_seconds": 60})], "finally": [logged("f", think_seconds=2)]}
    bad = step("bad", do={"think_seconds": 0.5, "fail": 9})
    both = {"id": "p", "timeout": "1s", "parallel": [bad, slow]}
    run = await runs.start([{"id": "o", "try": [both], "catch": [logged("c")]}])

    await run.result()

    assert await runs.notes(run, "log", 2) == ["f", "c"]


async def test_finally_sees_what_did_not_run(runs: Runs) -> None:
    seen = "${{ tasks.slow.status + ' ' + tasks.never.status }}"
    emit = {"id": "say", "agent": "@log", "ask": "step.note", "with": {"word": seen}}
    task = {"id": "t", "try": [step("slow", do={"think_seconds": 60}), step("never")], "finally": [emit]}
    run = await runs.start([task])
    await run.reach("slow", "running")

    await run.handle.cancel()

    assert await runs.notes(run, "log", 1) == ["cancelled skipped"]


async def test_each_attempt_of_a_block_is_undone(runs: Runs) -> None:
    block = {"id": "o", "retry": {"attempts": 2, "backoff": "10ms"}}
    run = await runs.start([{**block, "sequential": [booked("b"), step("bad", do={"fail": 9})]}])

    await run.failure()

    assert await runs.notes(run, "log", 2) == ["undo_b", "undo_b"]
    assert await runs.times(run, "b") == 2


async def test_a_loop_is_tried_again_as_a_whole(runs: Runs) -> None:
    do = step("x", do={"fail": 1})
    task = {"id": "lp", "retry": {"attempts": 3, "backoff": "10ms"}, "loop": {"over": [1, 2], "do": [do]}}

    assert [one["times"] for one in await runs.result([task])] == [1, 2]


async def test_what_is_in_a_block_that_is_tried_again_has_its_whole_time_again(runs: Runs) -> None:
    """A time that has passed is told a second late by Temporal, so the step takes longer than that."""
    inner = {"id": "inner", "timeout": "6s", "sequential": [step("a", do={"think_seconds": 2.5})]}
    block = {"id": "o", "retry": {"attempts": 4, "backoff": "6s"}}

    assert await runs.result([{**block, "sequential": [inner, step("bad", do={"fail": 1})]}])


async def test_what_was_cancelled_in_a_block_has_all_its_attempts_again(runs: Runs) -> None:
    unsteady = step("x", retry={"attempts": 2, "backoff": "1500ms"}, do={"fail": 2})
    block = {"id": "o", "retry": {"attempts": 2, "backoff": "10ms"}}

    bad = step("bad", do={"think_seconds": 0.7, "fail": 1})
    assert await runs.result([{**block, "parallel": [unsteady, bad]}])


async def test_no_attempt_is_lost_when_a_run_is_carried_over_between_two(runs: Runs) -> None:
    """The loop beside it fills the history."""
    again = {"id": "o", "retry": {"attempts": 2, "backoff": "6s"}, "sequential": [step("a"), step("b", do={"fail": 1})]}
    fat = in_round("fat", "fat", size=FAT)
    loop = {"id": "lp", "loop": {"over": list(range(90)), "max_parallel": 10, "do": [fat]}}
    run = await runs.start([{"id": "p", "parallel": [again, loop]}], outputs={"times": "${{ tasks.a.output.times }}"})

    assert await run.result() == {"times": 2}

    assert await is_carried_over(run)


async def test_a_large_run_that_is_cancelled_is_undone_in_new_histories(runs: Runs) -> None:
    undo = in_round("no", "no", size=FAT, **LOG)
    loop = {"over": list(range(40)), "max_parallel": 10, "do": [in_round("one", "one", size=FAT, compensate=undo)]}
    last = {"id": "t", "try": [{"id": "w", "wait": {"signal": "go"}}], "finally": [logged("last")]}
    run = await runs.start([booked("a"), {"id": "lp", "loop": loop}, last])
    await run.reach("w", "waiting")

    await run.handle.cancel()

    found = await runs.notes(run, "log", 42)
    with pytest.raises(WorkflowFailureError):
        await run.handle.result()
    assert await is_carried_over(run)
    assert (found[0], found[-1]) == ("last", "undo_a")
    assert sorted(found[1:-1]) == sorted(f"no{n}" for n in range(40))


async def test_a_defect_is_caught_and_undone_like_any_failure(runs: Runs) -> None:
    odd = {"id": "odd", "wait": {"duration": "${{ 1e20 }}"}}

    assert (await runs.result([{"id": "t", "try": [odd], "catch": [step("c")]}]))["value"] == "c"
    run = await runs.start([booked("b"), odd])
    await run.failure()
    assert await runs.notes(run, "log", 1) == ["undo_b"]


async def test_a_skipped_task_is_no_success(runs: Runs) -> None:
    skipped = step("a", **{"if": "${{ size(run.id) > 1000 }}"})

    output = await runs.result([{"id": "p", "parallel": {"wait": "any", "tasks": [skipped, step("b")]}}])
    failure = await runs.failure([{"id": "p", "parallel": {"wait": "any", "tasks": [skipped]}}])

    assert output["b"]["value"] == "b"
    assert "TooFewSucceeded: the task `p` failed" in failure
    assert "0 of the 1 that are wanted succeeded; the others were skipped." in failure


async def test_what_needs_a_failed_task_does_not_begin(runs: Runs) -> None:
    after = {"id": "t", "needs": ["bad"], "try": [step("x")], "finally": [logged("f")]}
    run = await runs.start([{"id": "p", "parallel": [step("bad", do={"fail": 9}), after]}])

    assert "AgentFailed" in await run.failure()

    assert await runs.notes(run, "log") == []


async def test_the_time_of_a_budget_ends_an_ask(runs: Runs) -> None:
    task = step("a", budget={"time": "500ms"}, do={"think_seconds": 30})

    assert "BudgetExceeded: the task `a` failed" in await runs.failure([task])


async def cancel_while_held(run: Run, file: Path) -> None:
    await until_exists(Path(f"{file}.intended"))
    await run.handle.cancel()
    await run.until(lambda state: state["status"] == "cancelling")
    gate_of(file).touch()


async def status_at_the_end(run: Run) -> str:
    with pytest.raises(WorkflowFailureError):
        await run.handle.result()
    status = (await run.handle.describe()).status
    assert status is not None
    return status.name


async def is_carried_over(run: Run) -> bool:
    return (await run.handle.describe()).run_id != run.handle.first_execution_run_id
