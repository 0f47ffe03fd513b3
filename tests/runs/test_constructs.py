"""What each word of the language does when it runs."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from runs.test_tools import file, until_exists, world
from support.flow_tasks import step
from support.runs import Run, Runs
from temporalio.client import WorkflowUpdateFailedError

__all__ = ["file"]


async def test_tasks_run_in_order_and_the_last_output_is_the_flows(runs: Runs) -> None:
    assert (await runs.result([step("a"), step("b", do={"value": "${{ tasks.a.output.value }}!"})]))["value"] == "a!"


async def test_outputs_inputs_and_env_are_what_the_flow_says(runs: Runs) -> None:
    output = await runs.result(
        [step("a", do={"value": "${{ env.WHO }}"})],
        {"name": "ada"},
        inputs={"name": {"type": "string"}, "times": {"type": "integer", "default": 2}},
        env={"WHO": "${{ inputs.name }}"},
        outputs={"who": "${{ tasks.a.output.value }}", "twice": "${{ inputs.times * 2 }}", "flow": "${{ run.flow }}"},
    )

    assert output == {"who": "ada", "twice": 4, "flow": "test"}


async def test_a_task_whose_if_is_false_is_skipped(runs: Runs) -> None:
    tasks = [step("a", **{"if": "${{ size(run.id) > 1000 }}"}), step("b", do={"value": "${{ tasks.a.status }}"})]

    assert (await runs.result(tasks))["value"] == "skipped"


async def test_parallel_tasks_run_at_once_and_wait_for_what_they_need(runs: Runs) -> None:
    slow = {"think_seconds": 0.5}
    run = await runs.start(
        [
            {
                "id": "all",
                "parallel": [
                    step("a", do=slow),
                    step("b", do=slow),
                    step("c", needs=["a", "b"], do={"value": "${{ tasks.a.output.value + tasks.b.output.value }}"}),
                ],
            }
        ]
    )

    output = await run.result()

    assert {key: value["value"] for key, value in output.items()} == {"a": "a", "b": "b", "c": "ab"}
    tasks = {task["key"]: task for task in (await run.state())["tasks"]}
    assert tasks["b"]["started_at"] < tasks["a"]["ended_at"] <= tasks["c"]["started_at"]


async def test_of_parallel_tasks_the_first_may_be_enough(runs: Runs) -> None:
    spec = {"wait": "any", "tasks": [step("fast"), step("slow", do={"think_seconds": 60})]}

    output = await runs.result([{"id": "race", "parallel": spec}])

    assert output["fast"]["value"] == "fast"
    assert output["slow"] is None


async def test_failures_of_parallel_tasks_can_be_collected(runs: Runs) -> None:
    spec = {"on_error": "collect", "max": 1, "tasks": [step("bad", do={"fail": 9}), step("good")]}

    output = await runs.result([{"id": "both", "parallel": spec}])

    assert output["bad"]["error"]["type"] == "AgentFailed"
    assert output["good"]["value"] == "good"


async def test_the_first_failure_cancels_the_other_branches(runs: Runs) -> None:
    tasks = [step("bad", do={"fail": 9}), step("slow", do={"think_seconds": 60})]

    assert "AgentFailed: the task `bad` failed" in await runs.failure([{"id": "both", "parallel": tasks}])


@pytest.mark.parametrize(("number", "taken"), [(5, "big"), (2, "middle"), (0, "small")])
async def test_a_condition_takes_one_branch(runs: Runs, number: int, taken: str) -> None:
    condition = {
        "if": "${{ inputs.n > 3 }}",
        "then": [step("big")],
        "elif": [{"if": "${{ inputs.n > 1 }}", "then": [step("middle")]}],
        "else": [step("small")],
    }

    output = await runs.result(
        [{"id": "size", "condition": condition}], {"n": number}, inputs={"n": {"type": "integer"}}
    )

    assert output["value"] == taken


@pytest.mark.parametrize(("word", "output"), [("a", "one"), ("c", "other")])
async def test_a_switch_takes_the_case_of_the_value(runs: Runs, word: str, output: str) -> None:
    condition = {"switch": "${{ inputs.word }}", "cases": {"a": [step("one")]}, "default": [step("other")]}

    found = await runs.result(
        [{"id": "sw", "condition": condition}], {"word": word}, inputs={"word": {"type": "string"}}
    )

    assert found["value"] == output


async def test_what_did_not_run_is_seen_as_skipped(runs: Runs) -> None:
    tasks: list[dict[str, Any]] = [
        {"id": "size", "condition": {"if": "${{ inputs.n > 3 }}", "then": [step("big")], "else": [step("small")]}},
        {"id": "careful", "try": [step("bad", do={"fail": 9}), step("never")], "catch": [step("caught")]},
        {"id": "calm", "try": [step("fine")], "catch": [step("unneeded")]},
    ]
    seen = {name: f"${{{{ tasks.{name}.status }}}}" for name in ("big", "small", "never", "bad", "caught", "unneeded")}

    output = await runs.result(tasks, {"n": 1}, inputs={"n": {"type": "integer"}}, outputs=seen)

    assert output == {
        "big": "skipped",
        "small": "completed",
        "never": "skipped",
        "bad": "failed",
        "caught": "completed",
        "unneeded": "skipped",
    }


@pytest.mark.parametrize("side_by_side", [1, 3])
async def test_a_loop_over_a_list_gives_the_list_of_outputs(runs: Runs, side_by_side: int) -> None:
    loop = {
        "over": [3, 1, 2],
        "as": "n",
        "max_parallel": side_by_side,
        "do": [step("one", agent="@one${{ loop.index }}", do={"value": "${{ loop.n * 10 }}"})],
    }

    assert [one["value"] for one in await runs.result([{"id": "lp", "loop": loop}])] == [30, 10, 20]


async def test_rounds_of_inner_loops_see_the_items_of_the_outer_ones(runs: Runs) -> None:
    inner = {"over": ["x", "y"], "as": "b", "do": [step("one", do={"value": "${{ loop.a + loop.b }}"})]}
    outer = {"over": ["1", "2"], "as": "a", "do": [{"id": "inner", "loop": inner}]}

    output = await runs.result([{"id": "outer", "loop": outer}])

    assert [[one["value"] for one in row] for row in output] == [["1x", "1y"], ["2x", "2y"]]


async def test_until_and_while_stop_where_they_say(runs: Runs) -> None:
    until = {"until": "${{ tasks.u.output.times >= 3 }}", "max": 9, "do": [step("u")]}
    going_on = "${{ loop.previous == null || loop.previous.times < 2 }}"

    output = await runs.result(
        [
            {"id": "up", "loop": until},
            {"id": "on", "loop": {"while": going_on, "max": 9, "do": [step("w")]}},
        ],
        outputs={"up": "${{ tasks.up.output.times }}", "on": "${{ tasks.on.output.times }}"},
    )

    assert output == {"up": 3, "on": 2}


async def test_a_loop_that_would_go_on_fails_and_says_so(runs: Runs) -> None:
    loop = {"until": "${{ false }}", "max": 2, "do": [step("u")]}

    assert "LoopLimit: the task `lp` failed (LoopLimit): it would go on, and `max` is 2." in await runs.failure(
        [{"id": "lp", "loop": loop}]
    )


async def test_what_fails_is_caught_and_finally_runs(runs: Runs) -> None:
    task = {
        "id": "careful",
        "try": [step("bad", do={"fail": 9, "log": "@log"})],
        "catch": [step("caught", do={"value": "${{ error.type }} in ${{ error.task }}", "log": "@log"})],
        "finally": [step("last", do={"log": "@log"})],
    }

    run = await runs.start([task])

    assert (await run.result())["value"] == "AgentFailed in bad"
    assert await runs.notes(run, "log", 2) == ["caught", "last"]


async def test_a_failed_flow_is_undone_in_reverse(runs: Runs) -> None:
    def undone(name: str) -> dict[str, Any]:
        return step(name, compensate=[step(f"undo_{name}", do={"log": "@log"})])

    run = await runs.start(
        [undone("a"), undone("b"), step("never", **{"if": "${{ size(run.id) > 1000 }}"}), step("c", do={"fail": 9})]
    )

    assert "AgentFailed" in await run.failure()
    assert await runs.notes(run, "log", 2) == ["undo_b", "undo_a"]


async def test_what_a_try_did_is_undone_before_its_catch(runs: Runs) -> None:
    booked = step("book", compensate=[step("unbook", do={"log": "@log"})])
    task = {"id": "t", "try": [booked, step("pay", do={"fail": 9})], "catch": [step("sorry", do={"log": "@log"})]}

    run = await runs.start([task])

    await run.result()
    assert await runs.notes(run, "log", 2) == ["unbook", "sorry"]


async def test_a_task_is_tried_again_as_often_as_it_says(runs: Runs) -> None:
    retry = {"attempts": 3, "backoff": "10ms"}

    assert (await runs.result([step("a", retry=retry, do={"fail": 2})]))["times"] == 1
    assert "AgentFailed" in await runs.failure([step("a", retry=retry, do={"fail": 3})])
    assert "AgentFailed" in await runs.failure([step("a", retry={**retry, "on": ["Busy"]}, do={"fail": 1})])


async def test_a_block_is_tried_again_as_a_whole(runs: Runs) -> None:
    block = {
        "id": "block",
        "retry": {"attempts": 2, "backoff": "10ms"},
        "sequential": [step("a"), step("b", do={"fail": 1, "value": "${{ tasks.a.output.times }}"})],
    }

    assert (await runs.result([block]))["value"] == 2


async def test_what_takes_too_long_fails_with_a_timeout(runs: Runs) -> None:
    assert "Timeout: the task `a` failed" in await runs.failure([step("a", timeout="500ms", do={"think_seconds": 30})])
    block = {"id": "block", "timeout": "500ms", "sequential": [step("a", do={"think_seconds": 30})]}
    assert "Timeout: the task `block` failed" in await runs.failure([block])


async def test_what_is_emitted_reaches_the_subscribers(runs: Runs) -> None:
    emit = {"topic": "@news", "data": {"n": "${{ 1 + 1 }}"}}
    run = await runs.start(
        [
            {"id": "hear", "agent": "@ear", "ask": "step.hear", "with": {"topic": "@news"}},
            {"id": "seq", "sequential": [{"id": "say", "emit": emit}]},
        ]
    )

    await run.result()

    assert await runs.notes(run, "ear", 1) == ['{"n": 2}']


async def test_an_equal_cache_key_gives_the_earlier_output(runs: Runs) -> None:
    cached = {"cache": {"key": "${{ run.flow }}-one", "for": "1h"}}
    tasks = [step("a", agent="step/shared-cached", **cached)]

    first, second = await runs.result(tasks), await runs.result(tasks)

    assert first == second


async def test_a_run_waits_for_its_time(runs: Runs) -> None:
    run = await runs.start([{"id": "nap", "wait": {"duration": "1s"}}, step("a")])

    await run.result()

    (nap, _) = (await run.state())["tasks"]
    assert nap["ended_at"] > nap["started_at"]


async def test_a_signal_brings_the_output_also_when_it_comes_early(runs: Runs) -> None:
    run = await runs.start([step("a", do={"think_seconds": 0.5}), {"id": "w", "wait": {"signal": "go"}}])

    await run.handle.execute_update("signal", args=["go", {"n": 7}])
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await run.handle.execute_update("signal", args=["stop", None])

    assert "waits for no signal `stop`; it waits for: go." in str(refused.value.cause)
    assert await run.result() == {"n": 7}


async def test_temporals_own_signals_are_signals_too(runs: Runs) -> None:
    run = await runs.start([{"id": "w", "wait": {"signal": "go"}}])

    await run.handle.signal("nobody-waits", 1)
    await run.handle.signal("go", {"n": 8})

    assert await run.result() == {"n": 8}


async def test_an_approval_waits_for_a_fitting_answer_of_the_right_person(runs: Runs) -> None:
    approval = {"who": ["ops"], "show": "${{ 1 + 1 }}", "form": {"amount": {"type": "integer"}}}
    run = await runs.start([{"id": "ok", "approval": approval}])
    (waiting,) = await approvals(run)

    for answer, problem in (
        ({"decision": "approve", "by": "eve", "form": {"amount": 1}}, "is for ops to answer, not for eve"),
        ({"decision": "approve", "by": "ops", "form": {"amount": "x"}}, "the form's field `amount`"),
        ({"decision": "approve", "by": "ops"}, "the form's field `amount` is missing"),
        ({"decision": "approve", "by": "ops", "task": "no", "form": {"amount": 1}}, "no approval `no` waits"),
    ):
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await run.handle.execute_update("answer", answer)
        assert problem in str(refused.value.cause)
    await run.handle.execute_update("answer", {"decision": "approve", "by": "ops", "form": {"amount": 5}})

    assert waiting["show"] == 2
    assert await run.result() == {"approved": True, "by": "ops", "comment": "", "form": {"amount": 5}}


async def test_who_may_answer_can_be_an_expression_and_the_forms_defaults_are_filled_in(runs: Runs) -> None:
    approval = {
        "who": ["${{ inputs.bosses }}", "ops"],
        "form": {"amount": {"type": "integer", "default": 3}, "why": {"type": "string"}},
    }
    inputs = {"bosses": {"type": "array", "items": {"type": "string"}}}
    run = await runs.start([{"id": "ok", "approval": approval}], {"bosses": ["ada", "bob"]}, inputs=inputs)
    (waiting,) = await approvals(run)

    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await run.handle.execute_update("answer", {"decision": "reject", "by": "eve"})
    await run.handle.execute_update("answer", {"decision": "approve", "by": "bob", "form": {"why": "yes"}})

    assert waiting["who"] == ["ada", "bob", "ops"]
    assert "is for ada, bob, ops to answer, not for eve" in str(refused.value.cause)
    assert (await run.result())["form"] == {"amount": 3, "why": "yes"}


async def test_an_approval_that_names_nobody_fails(runs: Runs) -> None:
    task = {"id": "ok", "approval": {"who": ["${{ inputs.bosses }}"]}}

    failure = await runs.failure([task], {"bosses": []}, inputs={"bosses": {"type": "array"}})

    assert "Unfit: the task `ok` failed (Unfit): `who` names nobody." in failure


@pytest.mark.parametrize(("default", "approved"), [("approve", True), ("reject", False)])
async def test_an_approval_that_nobody_answers_is_settled_by_its_default(
    runs: Runs, default: str, approved: bool
) -> None:
    approval = {"timeout": "300ms", "default": default}

    assert (await runs.result([{"id": "ok", "approval": approval}]))["approved"] is approved


async def test_an_approval_without_default_fails_when_nobody_answers(runs: Runs) -> None:
    assert "Timeout: the task `ok` failed" in await runs.failure([{"id": "ok", "approval": {"timeout": "300ms"}}])


async def test_a_paused_run_begins_nothing_new(runs: Runs, file: Path) -> None:
    gate = file.with_name("gate")
    run = await runs.start([world("safe", file, before=str(gate)), step("b")])
    await until_exists(Path(f"{file}.intended"))
    await run.handle.execute_update("pause")
    gate.touch()
    await run.until(lambda state: [task["status"] for task in state["tasks"]] == ["completed", "waiting"])
    assert (await run.state())["status"] == "paused"

    await run.handle.execute_update("resume")

    assert (await run.result())["value"] == "b"


async def test_what_a_cancelled_run_did_is_cleaned_up(runs: Runs) -> None:
    task = {
        "id": "t",
        "try": [step("slow", do={"think_seconds": 600})],
        "finally": [step("last", do={"log": "@log"})],
    }
    run = await runs.start([step("a", compensate=[step("undo", do={"log": "@log"})]), task])
    await run.until(lambda state: len(state["tasks"]) >= 3)

    await run.handle.cancel()

    assert await runs.notes(run, "log", 2) == ["last", "undo"]
    async with asyncio.timeout(90):
        assert await runs.times(run, "slow") == 0  # its agent works no more, and answers
        while (await run.handle.describe()).status.name == "RUNNING":  # type: ignore[union-attr]
            await asyncio.sleep(0.05)
    assert (await run.handle.describe()).status.name == "CANCELED"  # type: ignore[union-attr]


async def test_a_child_flow_gets_inputs_and_gives_its_output(runs: Runs) -> None:
    run = await runs.start_with_children(
        [{"id": "c", "flow": "./child.flow.yaml", "with": {"n": 20}}],
        {"./child.flow.yaml": child([step("x", do={"value": "${{ inputs.n + 1 }}"})])},
    )

    assert (await run.result())["value"] == 21


async def test_a_child_flow_that_fails_fails_its_task(runs: Runs) -> None:
    run = await runs.start_with_children(
        [{"id": "c", "flow": "./child.flow.yaml", "with": {"n": 1}}],
        {"./child.flow.yaml": child([step("x", do={"fail": 9})])},
    )

    assert "AgentFailed: the task `c` failed (AgentFailed): the task `x` failed" in await run.failure()


async def test_a_large_output_goes_by_reference_and_is_seen_whole(runs: Runs) -> None:
    run = await runs.start(
        [step("a", do={"size": 300_000}), step("b", do={"value": "${{ size(tasks.a.output.text) }}"})]
    )

    assert (await run.result())["value"] == 300_000
    history = await run.handle.fetch_history()
    assert sum(event.ByteSize() for event in history.events) < 30_000
    assert len((await run.handle.query("finished"))["a"]["output"]["text"]) == 300_000


async def test_what_is_too_large_fails_in_words(runs: Runs) -> None:
    tasks = [
        step("a", do={"size": 900_000}),
        step("b", do={"value": "${{ tasks.a.output.text + tasks.a.output.text }}"}),
    ]

    failure = await runs.failure(tasks)

    assert "TooLarge: the task `b` failed (TooLarge): the message `step.do` has 1,8" in failure
    assert "the limit is 1,000,000" in failure


async def test_a_loop_of_thousands_of_tasks_goes_on_in_new_histories(runs: Runs) -> None:
    loop = {
        "over": list(range(1500)),
        "max_parallel": 20,
        "do": [step("one", agent="@one${{ loop.item % 50 }}", do={"value": "${{ loop.item }}"})],
    }
    run = await runs.start([{"id": "lp", "loop": loop}, step("last")], outputs={"n": "${{ size(tasks.lp.output) }}"})

    assert await run.result() == {"n": 1500}
    assert (await run.handle.describe()).run_id != run.handle.first_execution_run_id
    times = await asyncio.gather(*(runs.times(run, f"one{n}") for n in range(50)))
    assert times == [30] * 50


async def approvals(run: Run) -> list[dict[str, Any]]:
    return list((await run.until(lambda state: state["approvals"]))["approvals"])


def child(tasks: list[dict[str, Any]]) -> dict[str, Any]:
    return {"flow": {"name": "child"}, "inputs": {"n": {"type": "integer"}}, "tasks": tasks}


async def test_an_output_that_is_too_large_ends_the_run(runs: Runs) -> None:
    tasks = [
        {"id": "lp", "loop": {"over": list(range(75)), "max_parallel": 15, "do": [step("a", do={"size": 900_000})]}}
    ]

    assert "TooLarge: the task `outputs` failed (TooLarge): the output of the flow has" in await runs.failure(tasks)
