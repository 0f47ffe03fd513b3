"""Runs that are started by Temporal's own command line, as an operator does."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support.stack import Stack, clean_environment

HELLO = {
    "flow": {"name": "hello"},
    "inputs": {"name": {"type": "string", "minLength": 2}},
    "tasks": [
        {"id": "greet", "agent": "greeter/by-hand", "ask": "greeter.greet", "with": {"name": "${{ inputs.name }}"}}
    ],
}


def execute(stack: Stack, given: Any, directory: Path) -> dict[str, Any]:
    path = directory / "run.json"
    path.write_text(json.dumps(given))
    done = stack.temporal(
        "workflow", "execute", "--type", "flow", "--task-queue", "resprout", "--workflow-id", f"hand-{uuid4().hex[:8]}",
        "--input-file", str(path), "--execution-timeout", "60s", "-o", "json",
    )  # fmt: skip
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_a_flow_in_json_runs(runs_stack: Stack, tmp_path: Path) -> None:
    report = execute(runs_stack, {"flow": HELLO, "inputs": {"name": "ada"}}, tmp_path)

    assert report["status"] == "COMPLETED"
    assert report["result"]["text"].startswith("Hello ada")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"flow": HELLO}, "input `name` is missing"),
        ({"flow": HELLO, "inputs": {"name": "x"}}, "input `name`: "),
        ({"flow": HELLO, "inputs": {"nam": "ada"}}, "there is no input `nam`: did you mean `name`?"),
        ({"flow": {**HELLO, "task": []}}, "did you mean `tasks`"),
        ({"flow": {"flow": {"name": "empty"}, "tasks": []}}, "tasks: "),
        ({"flw": HELLO}, "flow: Field required"),
        ([1, 2], "does not fit RunInput"),
        ("hello", "does not fit RunInput"),
    ],
)
def test_a_mistake_in_the_input_fails_at_once_with_what_is_wrong(
    runs_stack: Stack, tmp_path: Path, given: Any, says: str
) -> None:
    report = execute(runs_stack, given, tmp_path)

    failure = report["closeEvent"]["workflowExecutionFailedEventAttributes"]["failure"]
    assert report["status"] == "FAILED"
    assert says in failure["message"]
    assert failure["applicationFailureInfo"]["type"] == "BadInput"
    assert not failure.get("stackTrace")


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("agent", "does not fit AgentRunInput: give a goal"),
        ("flow", "does not fit RunInput: flow: Field required"),
        ("task", "does not fit TaskInput: message: Field required"),
    ],
)
def test_who_forgets_the_input_is_told_what_it_should_have_been(runs_stack: Stack, kind: str, says: str) -> None:
    done = runs_stack.temporal(
        "workflow", "execute", "--type", kind, "--task-queue", "resprout", "--workflow-id", f"none-{uuid4().hex[:8]}",
        "--execution-timeout", "60s", "-o", "json",
    )  # fmt: skip
    report = json.loads(done.stdout)

    failure = report["closeEvent"]["workflowExecutionFailedEventAttributes"]["failure"]
    assert says in failure["message"]
    assert failure["applicationFailureInfo"]["type"] == "BadInput"
    assert not failure.get("stackTrace")


def test_a_plain_temporal_workflow_uses_our_activities(runs_stack: Stack) -> None:
    example = Path(__file__).resolve().parents[2] / "examples" / "plain_temporal.py"
    done = subprocess.run(
        [sys.executable, str(example)],
        env={**clean_environment(), **runs_stack.env, "RESPROUT_DATA_DIR": str(runs_stack.data_dir)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert [line.split(" ")[:2] for line in done.stdout.splitlines()] == [
        ["Hello", name] for name in ("ada!", "bob!", "cy!")
    ]
