"""`resprout run FILE`."""

import json
import signal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support.flow_tasks import flow_file, step
from support.stack import Stack, read_until, resprout

NAMED: dict[str, Any] = {"inputs": {"name": {"type": "string", "minLength": 2}}}


def new_id() -> str:
    return f"run-{uuid4().hex[:10]}"


def hello(directory: Path) -> str:
    return str(flow_file(directory, [step("a", do={"value": "hello ${{ inputs.name }}"})], **NAMED))


def is_known(stack: Stack, run: str) -> bool:
    return stack.temporal("workflow", "describe", "--workflow-id", run).returncode == 0


def test_a_flow_runs_and_its_output_and_a_link_are_printed(runs_stack: Stack, tmp_path: Path) -> None:
    done = runs_stack("run", hello(tmp_path), "-i", "name=ada")

    assert done.returncode == 0, done.stderr
    output, link = done.stdout.split("\nrun ")
    assert json.loads(output)["value"] == "hello ada"
    assert runs_stack.status()["endpoints"]["temporal.ui_url"] in link


def test_who_looks_at_no_terminal_is_told_each_piece_of_news_in_a_line(runs_stack: Stack, tmp_path: Path) -> None:
    file, run = flow_file(tmp_path, [step("a"), {"id": "w", "wait": {"signal": "go"}}]), new_id()
    running = runs_stack.start("run", str(file), "--id", run)

    read_until(running.stderr, "completed  a  ")

    assert runs_stack.temporal("workflow", "signal", "--workflow-id", run, "--name", "go").returncode == 0
    running.communicate(timeout=90)
    assert running.returncode == 0


def test_inputs_come_from_a_file_and_flags_win(runs_stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "inputs.json"
    file.write_text('{"name": "from-file"}')

    first = runs_stack("run", hello(tmp_path), "--json", "--input-file", str(file))
    second = runs_stack("run", hello(tmp_path), "--json", "--input-file", str(file), "-i", "name=flag")

    assert json.loads(first.stdout)["result"]["value"] == "hello from-file"
    assert json.loads(second.stdout)["result"]["value"] == "hello flag"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "input `name` is missing: give a string."),
        (
            ["-i", "name=5"],
            """5 is an integer, not a text. For text that looks like a number, write --input name='"5"'""",
        ),
        (["-i", "name=a"], 'input `name`: "a" is shorter than 2 characters.'),
        (["-i", "nane=ada", "-i", "name=ada"], "there is no input `nane`: did you mean `name`?"),
        (["-i", "name"], "write it as K=V"),
        (["--input-file", "/nope.json"], "/nope.json cannot be read"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_before_anything_is_started(
    runs_stack: Stack, tmp_path: Path, words: list[str], sentence: str
) -> None:
    run = new_id()

    done = runs_stack("run", hello(tmp_path), "--id", run, *words)

    assert done.returncode == 2
    assert sentence in done.stderr
    assert not is_known(runs_stack, run)


def test_mistakes_in_the_file_are_shown_as_validate_shows_them(tmp_path: Path) -> None:
    file = flow_file(tmp_path, [step("a", if_="x"), step("b", needs=["c"])])

    validated = resprout("flow", "validate", str(file))
    done = resprout("run", str(file))

    assert done.returncode == 1
    assert done.stderr == validated.stdout
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        (
            {"id": "t", "agent": "greeter/a", "ask": "greeter.greet", "with": {"name": "a"}, "save": {"to": "notes"}},
            "says `save`, which this version of Resprout can check but not run yet",
        ),
    ],
)
def test_words_that_cannot_run_yet_are_refused_before_the_start(
    tmp_path: Path, task: dict[str, Any], sentence: str
) -> None:
    child = flow_file(tmp_path, [task], name="child")
    parent = flow_file(tmp_path, [{"id": "c", "flow": f"./{child.name}"}], name="parent")

    for file in (child, parent):
        done = resprout("run", str(file))
        assert done.returncode == 2
        assert sentence in done.stderr


@pytest.mark.parametrize("name", ["nothing.flow.yaml", "."])
def test_what_is_no_file_is_refused_in_a_sentence(name: str) -> None:
    done = resprout("run", name)

    assert done.returncode == 2
    assert "give" in done.stderr
    assert "Traceback" not in done.stderr


def test_child_flows_are_frozen_into_the_run(runs_stack: Stack, tmp_path: Path) -> None:
    child = flow_file(tmp_path, [step("a", do={"value": "${{ inputs.name }}"})], name="child", **NAMED)
    parent = flow_file(
        tmp_path,
        [
            {"id": "w", "wait": {"signal": "go"}},
            {"id": "c", "flow": "./child.flow.yaml", "with": {"name": "ada"}},
        ],
        name="parent",
    )
    run = new_id()
    started = runs_stack("run", str(parent), "--detach", "--id", run)
    assert started.returncode == 0, started.stderr

    child.unlink()
    runs_stack.temporal("workflow", "signal", "--workflow-id", run, "--name", "go")

    result = json.loads(runs_stack.temporal("workflow", "result", "--workflow-id", run, "-o", "json").stdout)
    assert result["result"]["value"] == "ada"


def test_what_print_input_prints_starts_the_same_run_from_the_temporal_cli(runs_stack: Stack, tmp_path: Path) -> None:
    printed = runs_stack("run", hello(tmp_path), "--print-input", "-i", "name=ada", "--tag", "t")
    file = tmp_path / "input.json"
    file.write_text(printed.stdout)
    run = new_id()

    start = ["workflow", "start", "--type", "flow", "--task-queue", "resprout"]
    runs_stack.temporal(*start, "--workflow-id", run, "--input-file", str(file))

    result = json.loads(runs_stack.temporal("workflow", "result", "--workflow-id", run, "-o", "json").stdout)
    assert result["result"]["value"] == "hello ada"


def test_an_id_is_taken_while_its_run_goes_on_and_free_afterwards(runs_stack: Stack, tmp_path: Path) -> None:
    file = str(flow_file(tmp_path, [{"id": "w", "wait": {"signal": "go"}}]))
    run = new_id()
    assert json.loads(runs_stack("run", file, "--detach", "--json", "--id", run).stdout)["id"] == run

    again = runs_stack("run", file, "--id", run)
    runs_stack.temporal("workflow", "terminate", "--workflow-id", run)
    afterwards = runs_stack("run", hello(tmp_path), "--id", run, "-i", "name=ada")

    assert again.returncode == 2
    assert f"a run with the id '{run}' is going on" in again.stderr
    assert afterwards.returncode == 0, afterwards.stderr


def test_a_failed_run_says_why_which_task_and_how_to_start_again(runs_stack: Stack, tmp_path: Path) -> None:
    file = str(flow_file(tmp_path, [step("a"), step("b", do={"fail": 9})]))
    run = new_id()

    done = runs_stack("run", file, "--id", run)

    assert done.returncode == 1
    assert f"the run {run} failed: the task `b` failed (AgentFailed)" in done.stderr
    assert "the failed task: b" in done.stderr
    assert f"resprout runs retry {run}" in done.stderr


def test_a_failed_run_as_json_has_the_error_and_the_task(runs_stack: Stack, tmp_path: Path) -> None:
    file = str(flow_file(tmp_path, [step("b", do={"fail": 9})]))

    done = runs_stack("run", file, "--json")

    told = json.loads(done.stdout)
    assert (done.returncode, told["status"], told["error"]["type"], told["error"]["task"]) == (
        1, "failed", "AgentFailed", "b",
    )  # fmt: skip


def test_who_is_interrupted_is_told_that_the_run_goes_on_and_how_to_come_back(
    runs_stack: Stack, tmp_path: Path
) -> None:
    file = str(flow_file(tmp_path, [{"id": "w", "wait": {"signal": "go"}}]))
    run = new_id()
    process = runs_stack.start("run", file, "--id", run)
    read_until(process.stderr, "  w")

    process.send_signal(signal.SIGINT)

    _, said = process.communicate(timeout=90)
    assert process.returncode == 130
    assert f"run {run} goes on. Come back with `resprout runs watch {run} --data-dir" in said
    assert "RUNNING" in runs_stack.temporal("workflow", "describe", "--workflow-id", run, "-o", "json").stdout
