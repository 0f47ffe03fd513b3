"""`resprout runs history | export` and `resprout replay`."""

import io
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from resprout.runtime import run_trace
from resprout.runtime.cli.run_view import view
from rich.console import Console
from support.flow_tasks import flow_file, step
from support.stack import Stack, eventually, resprout

FAILING = [
    step("a"),
    {"id": "both", "parallel": [step("b"), {"id": "w", "wait": {"duration": "10ms"}}]},
    step("c", do={"fail": 9}),
]


def exported(stack: Stack, directory: Path, tasks: list[dict[str, Any]], **words: Any) -> tuple[str, Path]:
    run = f"run-{uuid4().hex[:10]}"
    stack("run", str(flow_file(directory, tasks, **words)), "--id", run)
    file = directory / "trace.jsonl"
    done = stack("runs", "export", run, "-o", str(file))
    assert done.returncode == 0, done.stderr
    return run, file


def test_the_history_tells_the_steps_in_order(runs_stack: Stack, tmp_path: Path) -> None:
    run, _ = exported(runs_stack, tmp_path, FAILING)

    told = json.loads(runs_stack("runs", "history", run, "--json").stdout)

    what = [event["what"] for event in told]
    assert (what[0], what[-1]) == ("started", "failed")
    assert "has waited" in what
    failed = next(event for event in told if event["what"] == "step failed")
    assert failed["about"].startswith("c: step.do → step/")
    assert "as asked" in failed["note"]
    assert "step failed" in runs_stack("runs", "history", run).stdout


def test_the_history_tells_what_was_said_to_the_run_and_its_child_flows(runs_stack: Stack, tmp_path: Path) -> None:
    flow_file(tmp_path, [step("a")], name="child")
    run = f"run-{uuid4().hex[:10]}"
    tasks: list[dict[str, Any]] = [{"id": "ok", "approval": {}}, {"id": "c", "flow": "./child.flow.yaml"}]
    runs_stack("run", str(flow_file(tmp_path, tasks)), "--id", run, "--detach")
    runs_stack("runs", "pause", run)
    runs_stack("runs", "resume", run)
    eventually(lambda: json.loads(runs_stack("runs", "show", run, "--json").stdout)["approvals"], "it asks")
    approve = runs_stack("runs", "approve", run)
    assert approve.returncode == 0, approve.stderr
    runs_stack("runs", "watch", run)

    told = json.loads(runs_stack("runs", "history", run, "--json").stdout)

    assert [event["about"] for event in told if event["what"] == "told"] == ["pause", "resume", "answer"]
    assert [event["about"] for event in told if event["what"].startswith("child flow")] == [f"{run}/c"] * 2


def test_an_exported_run_is_shown_again_offline(runs_stack: Stack, tmp_path: Path) -> None:
    run, file = exported(runs_stack, tmp_path, FAILING)

    said = resprout("replay", str(file))

    assert said.returncode == 0, said.stderr
    assert [part for part in (run, "✓ a", "  ✓ b", "✗ c", "step failed") if part not in said.stdout] == []
    assert "the task `c` failed" in said.stderr


def test_a_replay_as_json_says_what_show_says(runs_stack: Stack, tmp_path: Path) -> None:
    run, file = exported(runs_stack, tmp_path, [step("a")])

    shown = json.loads(runs_stack("runs", "show", run, "--json").stdout)

    assert json.loads(resprout("replay", str(file), "--json").stdout) == shown


def test_a_trace_holds_one_object_a_line_with_the_outputs(runs_stack: Stack, tmp_path: Path) -> None:
    _, file = exported(runs_stack, tmp_path, [step("a")])

    lines = [json.loads(line) for line in file.read_text().splitlines()]

    kinds = [line["kind"] for line in lines]
    assert (kinds[0], kinds[-2:]) == ("run", ["task", "end"])
    assert lines[-2]["output"]["value"] == "a"
    assert lines[-1]["result"]["value"] == "a"


def test_a_trace_knows_how_the_run_looked_at_each_moment(runs_stack: Stack, tmp_path: Path) -> None:
    _, file = exported(runs_stack, tmp_path, [step("a"), step("b")])
    trace = run_trace.read(file.read_text(), "trace")
    moments = trace.moments()

    frames = [{node.key: node.status for node in trace.at(moment).nodes} for moment in moments]

    assert frames[0] == {"a": "running", "b": "pending"}
    assert {"a": "completed", "b": "running"} in frames
    assert frames[-1] == {"a": "completed", "b": "completed"}
    drawn = io.StringIO()
    Console(file=drawn, width=80).print(view(trace.at(moments[0]), moments[0]))
    assert "● a" in drawn.getvalue()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has 0 lines of the kind `run`"),
        ("{", ":1: this is not JSON"),
        ('\n{"kind": "run"\n', ":2: this is not JSON"),
        ("[1]", ":1: this is no JSON object"),
        ('{"kind": "run", "trace": 99}', "a trace of version 99; this Resprout reads version 1"),
        ('{"kind": "run", "trace": 1, "run": {}}', "no trace that can be read"),
        ('{"kind": "run", "trace": 1}\n{"kind": "run", "trace": 1}', "has 2 lines of the kind `run`"),
    ],
)
def test_what_is_no_trace_is_refused_in_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "trace.jsonl"
    file.write_text(text)

    done = resprout("replay", str(file))

    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_trace_that_is_not_there_is_refused_in_a_sentence() -> None:
    done = resprout("replay", "/nowhere/trace.jsonl")

    assert done.returncode == 2
    assert "/nowhere/trace.jsonl cannot be read" in done.stderr
