"""`resprout runs retry | fork`: nothing that was finished is done again."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support.flow_tasks import flow_file, step
from support.stack import Stack

SUM = {"a": "${{ tasks.a.output.times }}", "b": "${{ tasks.b.output.times }}", "c": "${{ tasks.c.output.times }}"}


def ended(stack: Stack, file: Path, *words: str) -> tuple[str, int]:
    """The id of a run that has ended, and the exit code."""
    run = f"run-{uuid4().hex[:10]}"
    done = stack("run", str(file), "--id", run, *words)
    return run, done.returncode


def again(stack: Stack, *words: str) -> dict[str, Any]:
    done = stack("runs", *words, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_a_retry_does_what_failed_and_keeps_what_was_finished(runs_stack: Stack, tmp_path: Path) -> None:
    file = flow_file(tmp_path, [step("a"), step("b", do={"fail": 1}), step("c")], outputs=SUM)
    run, code = ended(runs_stack, file)
    assert code == 1

    told = again(runs_stack, "retry", run)

    assert (told["id"], told["result"]) == (f"{run}-retry-1", {"a": 1, "b": 1, "c": 1})
    tasks = json.loads(runs_stack("runs", "show", told["id"], "--json").stdout)["tasks"]
    assert [(task["key"], task["note"]) for task in tasks] == [("a", "from before"), ("b", ""), ("c", "")]


def test_a_retry_that_fails_can_be_retried(runs_stack: Stack, tmp_path: Path) -> None:
    run, _ = ended(runs_stack, flow_file(tmp_path, [step("a"), step("b", do={"fail": 2})]))
    first = runs_stack("runs", "retry", run)
    assert first.returncode == 1

    told = again(runs_stack, "retry", f"{run}-retry-1")

    assert told["id"] == f"{run}-retry-2"


def test_a_signal_that_came_early_is_there_when_the_run_goes_on(runs_stack: Stack, tmp_path: Path) -> None:
    waits = [
        {"id": "first", "wait": {"signal": "first"}},
        {"id": "second", "wait": {"signal": "second", "timeout": "9s"}},
    ]
    file = flow_file(tmp_path, [waits[0], step("bad", do={"fail": 1}), waits[1]])
    run, _ = ended(runs_stack, file, "--detach")
    for name in ("second", "first"):
        assert runs_stack("runs", "signal", run, name, "--data", "7").returncode == 0
    runs_stack("runs", "watch", run)

    assert again(runs_stack, "retry", run)["result"] == 7


def test_a_retry_goes_on_in_the_middle_of_a_loop(runs_stack: Stack, tmp_path: Path) -> None:
    do = step("s", agent="${{ '@s' + string(loop.index) }}", do={"fail": "${{ loop.index == 2 ? 1 : 0 }}"})
    loop = {"id": "all", "loop": {"over": [1, 2, 3], "do": [do]}}
    file = flow_file(tmp_path, [loop], outputs={"times": "${{ tasks.all.output.map(o, o.times) }}"})
    # Only a text that begins with @ is made the agents' own; here it stands inside an expression.
    file.write_text(file.read_text().replace("@s", f"step/{uuid4().hex[:10]}-"))
    run, code = ended(runs_stack, file)
    assert code == 1

    assert again(runs_stack, "retry", run)["result"] == {"times": [1, 1, 1]}


def test_a_retry_of_a_saga_does_what_was_undone_again(runs_stack: Stack, tmp_path: Path) -> None:
    tasks = [step("a"), step("b", compensate=[step("undo")]), step("c", do={"fail": 1})]
    run, code = ended(runs_stack, flow_file(tmp_path, tasks, outputs=SUM))
    assert code == 1

    assert again(runs_stack, "retry", run)["result"] == {"a": 1, "b": 2, "c": 1}


def test_a_retry_does_the_rounds_again_that_were_undone(runs_stack: Stack, tmp_path: Path) -> None:
    booking = step("b", do={"value": "${{ loop.item }}"}, compensate=[step("undo")])
    tasks = [{"id": "lp", "loop": {"over": [1, 2], "do": [booking]}}, step("c", do={"fail": 1})]
    outputs = {"b": "${{ tasks.lp.output.map(one, one.times) }}"}
    run, code = ended(runs_stack, flow_file(tmp_path, tasks, outputs=outputs))
    assert code == 1

    assert again(runs_stack, "retry", run)["result"] == {"b": [3, 4]}


def test_a_cancelled_run_can_be_retried(runs_stack: Stack, tmp_path: Path) -> None:
    file = flow_file(tmp_path, [step("a"), {"id": "w", "wait": {"signal": "go"}}, step("b")])
    run = f"run-{uuid4().hex[:10]}"
    runs_stack("run", str(file), "--id", run, "--detach")
    runs_stack("runs", "cancel", run)
    runs_stack("runs", "watch", run)

    told = again(runs_stack, "retry", run, "--id", f"{run}-mine", "--detach")
    runs_stack("runs", "signal", told["id"], "go")

    assert told["id"] == f"{run}-mine"
    assert "completed  b" in runs_stack("runs", "watch", told["id"]).stdout


@pytest.mark.parametrize("word", ["completed", "goes on"])
def test_a_run_that_has_not_failed_is_not_retried(runs_stack: Stack, tmp_path: Path, word: str) -> None:
    task = step("a") if word == "completed" else {"id": "w", "wait": {"signal": "go"}}
    run = f"run-{uuid4().hex[:10]}"
    runs_stack("run", str(flow_file(tmp_path, [task])), "--id", run, "--detach" if word == "goes on" else "--wait")

    done = runs_stack("runs", "retry", run)

    assert done.returncode == 2
    assert word in done.stderr


def test_a_fork_does_a_task_and_what_follows_anew_with_other_inputs(runs_stack: Stack, tmp_path: Path) -> None:
    tasks = [
        step("a", do={"value": "${{ inputs.name }}"}),
        step("b", do={"value": "${{ tasks.a.output.value + inputs.name }}"}),
    ]
    file = flow_file(tmp_path, tasks, inputs={"name": {"type": "string"}})
    run, code = ended(runs_stack, file, "-i", "name=x")
    assert code == 0

    told = again(runs_stack, "fork", run, "--from", "b", "--set", "inputs.name=y")

    assert told["id"] == f"{run}-fork-1"
    assert (told["result"]["value"], told["result"]["times"]) == ("xy", 2)


def test_a_fork_takes_a_given_output_for_that_of_a_task(runs_stack: Stack, tmp_path: Path) -> None:
    tasks = [step("a"), step("b", do={"value": "${{ tasks.a.output.value }}"})]
    run, _ = ended(runs_stack, flow_file(tmp_path, tasks))

    told = again(runs_stack, "fork", run, "--from", "b", "--set", 'tasks.a.output={"value": "given"}')

    assert told["result"]["value"] == "given"


def test_a_fork_of_a_failed_task_may_say_what_it_gives(runs_stack: Stack, tmp_path: Path) -> None:
    tasks = [step("a", do={"fail": 9}), step("b", do={"value": "${{ tasks.a.output }}"})]
    run, code = ended(runs_stack, flow_file(tmp_path, tasks))
    assert code == 1

    assert again(runs_stack, "fork", run, "--from", "a", "--set", "tasks.a.output=7")["result"]["value"] == 7


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--from", "bb"], "the flow has no task `bb`: did you mean `b`?"),
        (["--from", "b", "--set", "tasks.aa.output=1"], "the flow has no task `aa`: did you mean `a`?"),
        (["--from", "b", "--set", "inputs.nam=x"], "there is no input `nam`: did you mean `name`?"),
        (["--from", "b", "--set", "inputs.name=1"], "input `name`: 1 is an integer, not a text."),
    ],
)
def test_a_fork_that_makes_no_sense_is_refused(
    runs_stack: Stack, tmp_path_factory: pytest.TempPathFactory, words: list[str], sentence: str
) -> None:
    directory = tmp_path_factory.mktemp("fork")
    inputs = {"name": {"type": "string", "default": "x"}}
    run, _ = ended(runs_stack, flow_file(directory, [step("a"), step("b")], inputs=inputs))

    done = runs_stack("runs", "fork", run, *words)

    assert done.returncode == 2
    assert sentence in done.stderr
