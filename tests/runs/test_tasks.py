"""Single jobs without a flow: by the command line, Temporal's own, and Python."""

import json
from typing import Any
from uuid import uuid4

import pytest
from resprout.activities.route_task import Known, candidates
from support.runs import Run, Runs
from support.stack import Stack, eventually, kill


def told(stack: Stack, *words: str) -> Any:
    done = stack("task", *words, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def becomes(stack: Stack, task: str, status: str) -> dict[str, Any]:
    seen: dict[str, Any] = eventually(
        lambda: (one := told(stack, "show", task))["status"] == status and one, f"{task} is {status}"
    )
    return seen


async def state_is(runs: Runs, task: str, status: str) -> None:
    await Run(runs.client.get_workflow_handle(task), task).until(lambda state: state["status"] == status)


def test_a_task_is_done_by_an_agent_that_can(runs_stack: Stack) -> None:
    done = told(runs_stack, "submit", "--capability", "stepping", "-m", "step.do", "value=5", "--wait")

    assert (done["status"], done["result"]["value"]) == ("completed", 5)
    seen = told(runs_stack, "show", done["id"])
    assert seen["agent"].startswith("step/task-")
    assert (seen["status"], seen["attempt"], seen["result"]["value"]) == ("completed", 1, 5)


async def test_a_task_is_done_by_the_agent_that_it_names(runs: Runs) -> None:
    task = await runs.submit({"agent": "@a", "message": "step.do", "body": {"value": 1}})

    assert await task.result() == {"value": 1, "times": 1, "text": ""}


def test_temporals_own_command_line_submits_the_same_task(runs_stack: Stack) -> None:
    report = by_hand(runs_stack, {"capability": "stepping", "message": "step.do", "body": {"value": 5}})

    assert (report["status"], report["result"]["value"]) == ("COMPLETED", 5)


def by_hand(stack: Stack, given: Any, task: str | None = None) -> dict[str, Any]:
    words = ("workflow", "execute", "--type", "task", "--task-queue", "resprout", "-o", "json")
    name = task or f"hand-{uuid4().hex[:8]}"
    report: dict[str, Any] = json.loads(
        stack.temporal(*words, "--workflow-id", name, "--input", json.dumps(given)).stdout
    )
    return report


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"message": "step.do"}, "the input does not fit TaskInput: give a capability or an agent, and not both"),
        ({"agent": "step", "message": "step.do"}, "agent: 'step' is not an agent address: write kind/key"),
        (
            {"agent": "step/a", "message": "step.do", "retry": 1},
            "retry: there is no such word: did you mean `retries`?",
        ),
    ],
)
def test_input_that_does_not_fit_fails_at_once_in_words(runs_stack: Stack, given: Any, says: str) -> None:
    report = by_hand(runs_stack, given)

    failure = report["closeEvent"]["workflowExecutionFailedEventAttributes"]["failure"]
    assert says in failure["message"]
    assert failure["applicationFailureInfo"]["type"] == "BadInput"
    assert not failure.get("stackTrace")


def test_a_task_that_could_not_begin_says_why_and_is_not_replayed(runs_stack: Stack) -> None:
    task = f"bad-{uuid4().hex[:8]}"
    by_hand(runs_stack, {"message": "step.do"}, task)

    shown = told(runs_stack, "show", task)
    assert (shown["status"], shown["error"]["type"]) == ("failed", "BadInput")
    assert "never began, its input does not fit: submit another" in runs_stack("task", "replay", task).stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-m", "step.do"], "say who does it: --capability or --agent"),
        (["-m", "step.do", "--agent", "step"], "'step' is not an agent address"),
        (["-m", "step.do", "--agent", "step/a", "--timeout", "soon"], "--timeout soon: "),
        (["-m", "", "--agent", "step/a"], "message: String should have at least 1 character"),
    ],
)
def test_a_mistake_on_the_command_line_is_refused_before_anything_starts(
    runs_stack: Stack, words: list[str], says: str
) -> None:
    done = runs_stack("task", "submit", *words)

    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


async def test_a_message_that_cannot_be_read_is_not_tried_again(runs: Runs) -> None:
    task = await runs.submit({"agent": "@a", "message": "step.nothing"})

    assert "UnknownMessage: attempt 1 failed (UnknownMessage): no message type is named" in await task.failure()


def test_what_nobody_can_do_is_given_up_with_the_reason(runs_stack: Stack) -> None:
    done = runs_stack("task", "submit", "--capability", "flying", "-m", "step.do", "--retries", "0", "--wait")

    assert done.returncode == 1
    assert "is dead-lettered: attempt 1 failed (NobodyAble): no agent can flying now" in done.stderr


async def test_a_retry_goes_to_another_agent_and_what_is_given_up_is_listed_and_replayed(runs: Runs) -> None:
    capability = uuid4().hex
    for agent in ("@a", "@b"):
        await (
            await runs.submit({"agent": agent, "message": "step.learn", "body": {"capability": capability}})
        ).result()
    body = {"value": 1, "fail": 1}
    task = await runs.submit({"capability": capability, "message": "step.do", "body": body, "retries": 1})

    assert "DeadLettered: attempt 2 failed (AgentFailed)" in await task.failure()
    state = await task.state()
    assert state["status"] == "dead-lettered"
    assert len({error["agent"] for error in state["errors"]}) == 2
    eventually(lambda: task.name in dead_letters(runs.stack), "it is listed")
    replayed = told(runs.stack, "replay", task.name, "--wait")
    assert (replayed["id"], replayed["status"], replayed["result"]["value"]) == (task.name, "completed", 1)
    eventually(lambda: task.name not in dead_letters(runs.stack), "it is listed no more")
    again = runs.stack("task", "replay", task.name)
    assert (again.returncode, f"{task.name} is completed" in again.stderr) == (2, True)


def test_the_id_of_a_dead_letter_is_not_taken_unless_asked_for(runs_stack: Stack) -> None:
    task = f"dead-{uuid4().hex[:8]}"
    words = ("--capability", "flying", "-m", "step.do", "--retries", "0", "--id", task)
    runs_stack("task", "submit", *words, "--wait")

    refused = runs_stack("task", "submit", *words)
    again = runs_stack("task", "submit", *words, "--again")

    assert (refused.returncode, again.returncode) == (2, 0)
    assert f"the task {task} was given up" in refused.stderr
    assert f"`resprout task replay {task} --data-dir" in refused.stderr


def dead_letters(stack: Stack) -> list[str]:
    return [row["id"] for row in told(stack, "dead-letters")]


async def test_a_cancelled_task_stops_its_agent(runs: Runs) -> None:
    task = await runs.submit({"agent": "@a", "message": "step.do", "body": {"think_seconds": 600}, "tenant": "acme"})
    await state_is(runs, task.name, "executing")

    assert runs.stack("task", "cancel", task.name).returncode == 0

    assert becomes(runs.stack, task.name, "cancelled")["error"]["type"] is None
    listed = eventually(lambda: told(runs.stack, "list", "--status", "cancelled", "--tenant", "acme"), "it is listed")
    assert [row["id"] for row in listed] == [task.name]
    after = await runs.submit({"agent": f"step/{task.name}-a", "message": "step.do", "timeout_seconds": 90})
    assert (await after.result())["times"] == 1


async def test_a_task_goes_on_when_its_worker_is_killed_and_its_agent_does_it_once(runs: Runs) -> None:
    task = await runs.submit({"agent": "@a", "message": "step.do", "body": {"think_seconds": 3}})
    await state_is(runs, task.name, "executing")

    kill(runs.stack.pid("worker"))

    assert (await task.result())["times"] == 1
    assert (await task.state())["attempt"] == 1


def test_tasks_are_counted_by_status_and_timed(runs_stack: Stack) -> None:
    told(runs_stack, "submit", "--capability", "stepping", "-m", "step.do", "--wait")
    counted = eventually(lambda: (s := told(runs_stack, "stats"))["counts"]["completed"] and s, "one is counted")

    assert 0 < counted["seconds"]["p50"] <= counted["seconds"]["max"]
    text = runs_stack("task", "stats").stdout
    assert "dead-lettered" in text
    assert "completed in  p50 " in text


def test_a_task_that_nobody_knows_is_refused_with_what_to_do(runs_stack: Stack) -> None:
    done = runs_stack("task", "show", "zzzzzz")

    assert done.returncode == 2
    assert "there is no task zzzzzz: list them with `resprout task list" in done.stderr


def test_who_is_not_well_gets_no_tasks() -> None:
    known = Known(kinds=["a"], well=["a/x", "b/x"], unwell=["a/task-0", "c/x"])

    found = candidates(known)

    assert found == [*(f"a/task-{number}" for number in range(1, 8)), "b/x"]


async def test_the_commands_for_runs_say_of_a_task_what_it_is(runs: Runs) -> None:
    task = await runs.submit({"agent": "@a", "message": "step.do", "body": {"think_seconds": 60}})
    await state_is(runs, task.name, "executing")

    shown, paused = (runs.stack("runs", word, task.name) for word in ("show", "pause"))
    ended = runs.stack("runs", "terminate", task.name, "--reason", "not wanted")

    for done in (shown, paused):
        assert done.returncode == 2
        assert f"{task.name} is a task, not a run of a flow: see `resprout task show {task.name}" in done.stderr
    assert ended.returncode == 0
    assert becomes(runs.stack, task.name, "terminated")["error"]["message"] == "not wanted"
