"""`resprout runs list | show | watch | pause | resume | cancel | terminate | signal | approve`."""

import asyncio
import io
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from resprout.runtime.cli.follow import show
from resprout.runtime.runs import Runs as OurRuns
from resprout.runtime.settings import TemporalSettings
from rich.console import Console
from support.flow_tasks import flow_file, step
from support.runs import Runs
from support.stack import Stack, eventually

GO = {"id": "w", "wait": {"signal": "go"}}


def started(stack: Stack, directory: Path, tasks: list[dict[str, Any]], *words: str, **flow: Any) -> str:
    run = f"run-{uuid4().hex[:10]}"
    done = stack("run", str(flow_file(directory, tasks, **flow)), "--detach", "--id", run, *words)
    assert done.returncode == 0, done.stderr
    return run


def shown(stack: Stack, run: str) -> dict[str, Any]:
    done = stack("runs", "show", run, "--json")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def becomes(stack: Stack, run: str, status: str) -> dict[str, Any]:
    told: dict[str, Any] = eventually(
        lambda: (seen := shown(stack, run))["status"] == status and seen, f"{run} is {status}"
    )
    return told


def listed(stack: Stack, *words: str) -> list[str]:
    done = stack("runs", "list", "--json", *words)
    assert done.returncode == 0, done.stderr
    return [row["id"] for row in json.loads(done.stdout)]


def test_runs_are_found_by_flow_tag_tenant_and_status(runs_stack: Stack, tmp_path: Path) -> None:
    tag = f"t-{uuid4().hex[:8]}"
    words = ("--tag", tag, "--tenant", "acme")
    waiting = started(runs_stack, tmp_path, [GO], *words, name="waiting-one")
    ended = started(runs_stack, tmp_path, [step("a")], *words, name="short-one", header={"version": "7"})
    becomes(runs_stack, ended, "completed")

    eventually(lambda: set(listed(runs_stack, "--tag", tag)) == {ended, waiting}, "both are listed")
    assert listed(runs_stack, "--tag", tag, "--flow", "short-one") == [ended]
    assert listed(runs_stack, "--tag", tag, "--tenant", "other") == []
    eventually(lambda: listed(runs_stack, "--tag", tag, "--status", "completed") == [ended], "the ended one is listed")
    assert listed(runs_stack, "--tag", tag, "--status", "running", "--status", "waiting") == [waiting]
    assert len(listed(runs_stack, "--tag", tag, "--limit", "1")) == 1
    table = runs_stack("runs", "list", "--tag", tag).stdout
    assert [word for word in (ended, "short-one", "7", "completed", tag, "acme") if word not in table] == []


def test_runs_of_child_flows_are_listed_only_when_asked_for(runs_stack: Stack, tmp_path: Path) -> None:
    tag = f"t-{uuid4().hex[:8]}"
    flow_file(tmp_path, [step("a")], name="child")
    parent = started(runs_stack, tmp_path, [{"id": "c", "flow": "./child.flow.yaml"}], "--tag", tag, name="parent")
    becomes(runs_stack, parent, "completed")

    both = {parent, f"{parent}/c"}
    eventually(lambda: set(listed(runs_stack, "--tag", tag, "--children")) == both, "both are listed")
    assert listed(runs_stack, "--tag", tag) == [parent]


def test_a_run_is_shown_with_its_tasks_inputs_and_result(runs_stack: Stack, tmp_path: Path) -> None:
    loop = {"id": "all", "loop": {"over": [1, 2, 3], "do": [step("a")]}}
    run = started(runs_stack, tmp_path, [loop, step("b")], "-i", "x=1", inputs={"x": {"type": "integer"}})

    told = becomes(runs_stack, run, "completed")

    assert {task["key"]: (task["status"], task["note"]) for task in told["tasks"]} == {
        "all": ("completed", "3 rounds"),
        "b": ("completed", ""),
    }
    assert told["inputs"] == {"x": 1}
    assert told["result"]["value"] == "b"
    said = runs_stack("runs", "show", run).stdout
    assert "✓ all" in said
    assert 'inputs {"x": 1}' in said


def test_of_a_large_result_the_beginning_and_the_size_are_shown(runs_stack: Stack, tmp_path: Path) -> None:
    run = started(runs_stack, tmp_path, [step("a", do={"size": 50_000})])
    becomes(runs_stack, run, "completed")
    file = tmp_path / "result.json"

    said = runs_stack("runs", "show", run)
    watched = runs_stack("runs", "watch", run)
    kept = runs_stack("runs", "show", run, "-o", str(file))

    for stdout in (said.stdout, watched.stdout):
        assert len(stdout) < 3_000
        assert "bytes, the first 500 characters are shown; the whole: `resprout runs show" in stdout
    assert (kept.returncode, kept.stdout) == (0, "")
    assert json.loads(file.read_text())["text"] == "x" * 50_000
    assert shown(runs_stack, run)["result"]["text"] == "x" * 50_000


def test_a_run_without_a_result_leaves_no_file(runs_stack: Stack, tmp_path: Path) -> None:
    run = started(runs_stack, tmp_path, [GO])
    file = tmp_path / "result.json"

    done = runs_stack("runs", "show", run, "--output", str(file))

    assert done.returncode == 2
    assert f"{run} has no result to write" in done.stderr
    assert not file.exists()


def test_tasks_that_have_not_begun_and_rounds_under_way_are_shown(runs_stack: Stack, tmp_path: Path) -> None:
    loop = {"id": "all", "loop": {"over": [1, 2], "do": [step("a"), GO]}}
    run = started(runs_stack, tmp_path, [loop, step("b")])

    eventually(lambda: "◔ w" in runs_stack("runs", "show", run).stdout, "the first round waits")

    said = runs_stack("runs", "show", run).stdout
    assert [mark for mark in ("● all", "  ● round 1", "    ✓ a", "    ◔ w", "· b") if mark not in said] == []
    assert "round 2" not in said


def test_a_paused_run_begins_nothing_until_it_is_resumed(runs_stack: Stack, tmp_path: Path) -> None:
    run = started(runs_stack, tmp_path, [GO, step("a")])

    assert f"{run} was not paused" in runs_stack("runs", "resume", run).stdout
    assert f"{run} is paused: it goes on with" in runs_stack("runs", "pause", run).stdout
    assert f"{run} is paused already: it goes on with" in runs_stack("runs", "pause", run).stdout
    assert runs_stack("runs", "signal", run, "go").returncode == 0
    held = eventually(
        lambda: next((t for t in shown(runs_stack, run)["tasks"] if t["note"] == "paused"), None), "the next task waits"
    )
    assert (held["key"], shown(runs_stack, run)["status"]) == ("a", "paused")
    assert runs_stack("runs", "resume", run).returncode == 0

    becomes(runs_stack, run, "completed")


def test_a_signal_brings_data(runs_stack: Stack, tmp_path: Path) -> None:
    run = started(runs_stack, tmp_path, [GO])

    assert runs_stack("runs", "signal", run, "go", "--data", '{"n": 1}').returncode == 0

    assert becomes(runs_stack, run, "completed")["result"] == {"n": 1}


def test_an_approval_is_answered_with_its_form(runs_stack: Stack, tmp_path: Path) -> None:
    form = {"limit": {"type": "integer"}}
    run = started(runs_stack, tmp_path, [{"id": "ok", "approval": {"who": ["ops"], "form": form, "show": "May we?"}}])
    asked = becomes(runs_stack, run, "waiting")["approvals"][0]
    assert (asked["task"], asked["show"]) == ("ok", "May we?")
    assert f"resprout runs approve {run} ok" in runs_stack("runs", "show", run).stdout

    wrong = runs_stack("runs", "approve", run, "--as", "ops", "--field", "limit=much")
    stranger = runs_stack("runs", "approve", run, "--as", "eve", "--field", "limit=3")
    done = runs_stack("runs", "approve", run, "--as", "ops", "--field", "limit=3", "--comment", "go on")

    assert (wrong.returncode, stranger.returncode, done.returncode) == (2, 2, 0)
    assert "the form's field `limit`" in wrong.stderr
    assert "`ok` is for ops to answer, not for eve" in stranger.stderr
    result = becomes(runs_stack, run, "completed")["result"]
    assert result == {"approved": True, "by": "ops", "comment": "go on", "form": {"limit": 3}}


def test_an_approval_is_rejected(runs_stack: Stack, tmp_path: Path) -> None:
    run = started(runs_stack, tmp_path, [{"id": "ok", "approval": {}}])
    becomes(runs_stack, run, "waiting")

    done = runs_stack("runs", "approve", run, "ok", "--reject", "--as", "ops")

    assert "ok is rejected by ops" in done.stdout
    assert becomes(runs_stack, run, "completed")["result"]["approved"] is False


def test_a_cancelled_run_cleans_up(runs_stack: Stack, tmp_path: Path) -> None:
    run = started(runs_stack, tmp_path, [{"id": "t", "try": [GO], "finally": [step("clean")]}])

    assert runs_stack("runs", "cancel", run).returncode == 0

    told = becomes(runs_stack, run, "cancelled")
    assert {task["key"]: task["status"] for task in told["tasks"]} == {
        "t": "cancelled", "w": "cancelled", "clean": "completed",
    }  # fmt: skip


def test_a_terminated_run_says_why(runs_stack: Stack, tmp_path: Path) -> None:
    run = started(runs_stack, tmp_path, [GO])
    becomes(runs_stack, run, "running")

    assert runs_stack("runs", "terminate", run, "--reason", "not wanted").returncode == 0

    assert becomes(runs_stack, run, "terminated")["error"]["message"] == f"the run {run} was terminated: not wanted"
    again = runs_stack("runs", "cancel", run)
    assert again.returncode == 2
    assert f"{run} has ended (terminated): see `resprout runs show {run}" in again.stderr


def test_a_failed_run_shows_its_error_and_how_to_start_it_again(runs_stack: Stack, tmp_path: Path) -> None:
    run = started(runs_stack, tmp_path, [step("a", do={"fail": 9})])
    told = becomes(runs_stack, run, "failed")

    said = runs_stack("runs", "show", run)

    assert (told["error"]["type"], told["error"]["task"]) == ("AgentFailed", "a")
    assert "✗ a" in said.stdout
    assert f"start again from there: `resprout runs retry {run}" in said.stderr


def test_retry_is_not_offered_where_it_gives_the_same(runs_stack: Stack, tmp_path: Path) -> None:
    run = started(runs_stack, tmp_path, [{**step("a"), "ask": "step.dou"}])
    becomes(runs_stack, run, "failed")

    said = runs_stack("runs", "show", run).stderr

    assert "runs retry" not in said
    assert "mend the flow and run it anew" in said
    assert f"`resprout runs fork {run} --from a --set inputs.NAME=VALUE --data-dir" in said


def test_a_run_that_never_began_says_why(runs_stack: Stack) -> None:
    run = f"run-{uuid4().hex[:10]}"
    start = ["workflow", "start", "--type", "flow", "--task-queue", "resprout", "--workflow-id", run]
    runs_stack.temporal(*start, "--input", '{"flow": {"flow": {"name": "x"}, "tasks": [{"id": "a"}]}}')
    eventually(lambda: runs_stack("runs", "show", run).stderr, "the run has failed")

    said = runs_stack("runs", "show", run)
    retried = runs_stack("runs", "retry", run)

    assert "the flow has 1 mistake:" in said.stderr
    assert retried.returncode == 2
    assert f"{run} never began" in retried.stderr


def test_watch_without_a_terminal_tells_the_news_and_ends_with_the_run(runs_stack: Stack, tmp_path: Path) -> None:
    run = started(runs_stack, tmp_path, [step("a"), {"id": "ok", "approval": {}}, step("b")])
    watching = runs_stack.start("runs", "watch", run)
    assert watching.stdout is not None
    said = ""
    while "resprout runs approve" not in said:
        said += watching.stdout.readline()
    runs_stack("runs", "approve", run)

    rest, _ = watching.communicate(timeout=60)

    said += rest
    assert watching.returncode == 0
    news = ("completed  a", f"resprout runs approve {run} ok", "completed  ok", "completed  b")
    assert [part for part in news if part not in said] == []


def test_without_a_terminal_the_rounds_of_a_loop_are_counted(runs_stack: Stack, tmp_path: Path) -> None:
    run = started(runs_stack, tmp_path, [{"id": "all", "loop": {"over": [1, 2], "do": [step("a"), GO]}}])
    watching = runs_stack.start("runs", "watch", run)
    assert watching.stdout is not None
    said = ""
    for news in ("waiting    all[0].w", "running    all  1 of 2 rounds"):
        while news not in said:
            said += watching.stdout.readline()
        runs_stack("runs", "signal", run, "go")

    rest, _ = watching.communicate(timeout=60)

    said += rest
    assert "all[0].a" not in said
    assert said.count("completed  all") == 1
    assert "  2 rounds\n" in said


def test_the_reason_of_a_failure_is_told_once(runs_stack: Stack, tmp_path: Path) -> None:
    run = started(runs_stack, tmp_path, [{**step("a"), "ask": "step.dou"}])

    watched = runs_stack("runs", "watch", run)
    told = runs_stack("runs", "show", run)

    for done in (watched, told):
        assert (done.stdout + done.stderr).count("no message type is named") == 1


def test_watch_of_a_failed_run_ends_with_1(runs_stack: Stack, tmp_path: Path) -> None:
    run = started(runs_stack, tmp_path, [step("a", do={"fail": 9})])

    watched = runs_stack("runs", "watch", run)

    assert watched.returncode == 1
    assert "the task `a` failed" in watched.stderr


async def test_on_a_terminal_a_run_is_a_tree_with_its_child_flows_inside(runs: Runs) -> None:
    child = {"flow": {"name": "child"}, "tasks": [GO]}
    run = await runs.start_with_children([{"id": "c", "flow": "./child.flow.yaml"}], {"./child.flow.yaml": child})
    ours = OurRuns(runs.client, TemporalSettings())
    drawn = io.StringIO()
    console = Console(file=drawn, force_terminal=True, width=100, color_system=None)

    async def send_when_seen() -> None:
        while "◔ w" not in drawn.getvalue():
            await asyncio.sleep(0.05)
        await ours.get(f"{run.handle.id}/c").signal("go")

    async with asyncio.timeout(60):
        seen, _ = await asyncio.gather(show(ours.get(run.handle.id), console), send_when_seen())

    assert seen.row.status == "completed"
    assert f"run {run.handle.id}/c" in drawn.getvalue()


def test_a_run_that_nobody_knows_is_refused_with_the_nearest_name(runs_stack: Stack, tmp_path: Path) -> None:
    run = started(runs_stack, tmp_path, [GO])
    eventually(lambda: run in listed(runs_stack, "--limit", "500"), "the run is listed")

    near = runs_stack("runs", "show", f"{run}x")
    far = runs_stack("runs", "pause", "zzzzzzzzzzzzzzzz")

    assert (near.returncode, far.returncode) == (2, 2)
    assert f"there is no run {run}x: did you mean `{run}`?" in near.stderr
    assert "list them with `resprout runs list" in far.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["list", "--status", "runing"], "did you mean `running`?"),
        (["signal", "x", "go", "--data", "yes"], "is not JSON: write text in quotes"),
        (["approve", "x", "--field", "limit"], "write it as K=V"),
        (["fork", "x", "--from", "a", "--set", "input.x=1"], "write inputs.NAME=VALUE or tasks.ID.output=VALUE"),
        (["fork", "x", "--from", "a", "--set", "tasks.a=1"], "write inputs.NAME=VALUE or tasks.ID.output=VALUE"),
    ],
)
def test_a_bad_request_is_refused_in_one_sentence(runs_stack: Stack, words: list[str], sentence: str) -> None:
    done = runs_stack("runs", *words)

    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_worker_it_is_said_that_none_answers_and_what_to_do(runs_stack: Stack, tmp_path: Path) -> None:
    run = started(runs_stack, tmp_path, [GO], "--set", "temporal.task_queue=nobody")

    shown_ = runs_stack("runs", "show", run)
    paused = runs_stack("runs", "pause", run)

    assert (shown_.returncode, paused.returncode) == (3, 4)
    assert run in shown_.stdout
    assert f"no worker answers for {run}" in shown_.stderr
    assert "start one with `resprout up --data-dir" in shown_.stderr
    assert f"no worker has taken this for {run}" in paused.stderr


def test_without_a_server_it_is_said_that_none_answers(runs_stack: Stack) -> None:
    done = runs_stack("runs", "list", "--set", "temporal.address=127.0.0.1:1")

    assert done.returncode == 3
    assert "no Temporal server answers at 127.0.0.1:1" in done.stderr
