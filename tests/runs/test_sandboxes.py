"""The task `sandbox` in a run: what comes back, what fails, and that the code runs once."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from support.flow_tasks import flow_file
from support.runs import Runs
from support.stack import Stack, eventually, read_until
from support.waiting import until, until_found
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import CancelledError


def sandbox(id_: str = "box", **words: Any) -> dict[str, Any]:
    return {"id": id_, "sandbox": {"language": "python", "isolation": "process", **words}}


async def test_a_sandbox_gives_its_output_and_its_files(runs: Runs) -> None:
    code = (
        "import json; rows = json.load(open('in/rows.json')); open('sum.txt', 'w').write(str(sum(rows))); print('ok')"
    )
    task = sandbox(code=code, files={"in/rows.json": "${{ inputs.rows }}"}, collect=["*.txt"])

    result = await runs.result([task], {"rows": [1, 2, 3]}, inputs={"rows": {"type": "array"}})

    assert result["stdout"] == "ok\n"
    assert result["files"] == {"sum.txt": "6"}
    assert result["exit_code"] == 0


async def test_the_files_of_one_sandbox_go_into_the_next(runs: Runs) -> None:
    make = sandbox("make", code="open('b.bin', 'wb').write(bytes(range(256)))", collect=["b.bin"])
    use = sandbox("use", code="print(sum(open('x.bin', 'rb').read()))")
    use["sandbox"]["files"] = {"x.bin": "${{ tasks.make.output.files['b.bin'] }}"}

    assert (await runs.result([make, use]))["stdout"] == "32640\n"


async def test_a_program_that_fails_fails_the_task_with_what_it_said(runs: Runs) -> None:
    failure = await runs.failure([sandbox(code="raise SystemExit('no such row')")])

    assert "SandboxFailed" in failure
    assert "exit code is 1. It said: no such row" in failure


async def test_a_limit_that_is_reached_fails_the_task_and_names_the_word(runs: Runs) -> None:
    failure = await runs.failure([sandbox(code="while True: pass", limits={"time": "500ms"})])

    assert "it was killed after 500ms: give it more with `limits: {time: …}`" in failure


async def test_a_sandbox_that_cannot_be_had_is_refused_at_once(runs: Runs) -> None:
    failure = await runs.failure([{"id": "box", "sandbox": {"image": "a/b:1", "run": "ls", "isolation": "process"}}])

    assert "NoSandbox" in failure
    assert "the process sandbox has no images" in failure


async def test_a_value_of_the_wrong_kind_is_named(runs: Runs) -> None:
    failure = await runs.failure([sandbox(code="${{ [1] }}")])

    assert "`sandbox.code`" in failure


async def test_a_cancelled_run_ends_its_sandbox_long_before_its_program_does(runs: Runs) -> None:
    word = f"301.{uuid4().int % 10**9}"
    run = await runs.start(
        [{"id": "box", "sandbox": {"language": "shell", "isolation": "process", "run": ["sleep", word]}}]
    )
    await until(lambda: _processes_with(word), 90)

    await run.handle.cancel()

    async with asyncio.timeout(90):
        await until(lambda: not _processes_with(word), 90)
        with pytest.raises(WorkflowFailureError) as caught:
            await run.handle.result()
    assert isinstance(caught.value.cause, CancelledError)


def test_a_key_that_has_run_is_answered_with_what_it_said_then(runs_stack: Stack) -> None:
    words = ("sandbox", "run", "--isolation", "process", "--key", uuid4().hex, "-c", "cat /proc/sys/kernel/random/uuid")

    first, second = runs_stack(*words), runs_stack(*words)

    assert len(first.stdout.strip()) == 36
    assert second.stdout == first.stdout


@pytest.fixture
def word() -> str:
    """What a `sleep` is told by which it is known on this machine: so many seconds."""
    return f"97.{uuid4().int % 10**9}"


def held(word: str, code: str) -> dict[str, Any]:
    """It goes on until its `sleep` is ended, or nobody ends it."""
    return sandbox(language="shell", code=f"{code}; sleep {word}; echo ended", limits={"time": "5m"})


def let_go(word: str) -> None:
    (sleeps,) = eventually(lambda: _processes_with(word), "it sleeps")
    os.kill(sleeps, signal.SIGTERM)


def _processes_with(word: str) -> list[int]:
    return [process.pid for process in psutil.process_iter(["cmdline"]) if word in (process.info["cmdline"] or [])]


async def test_a_run_in_the_process_sandbox_is_in_doubt_when_its_worker_is_killed(runs: Runs) -> None:
    run = await runs.start([sandbox(code="print('begun', flush=True); import time; time.sleep(60)")])
    await until_found(lambda: _said(run, "begun"), patience=60)

    os.kill(runs.stack.pid("worker"), signal.SIGKILL)

    assert "InDoubt" in await run.failure()


async def test_a_run_whose_worker_stood_still_goes_on_and_its_result_is_that_of_the_step(runs: Runs, word: str) -> None:
    worker = runs.stack.pid("worker")
    run = await runs.start([held(word, "echo begun")])
    await until_found(lambda: _said(run, "begun"), patience=60)
    before = await _attempt(run)

    os.kill(worker, signal.SIGSTOP)
    try:
        await until_found(lambda: _attempt(run), lambda found: found > before, patience=60)
    finally:
        os.kill(worker, signal.SIGCONT)
    eventually(lambda: _goes_on_without_its_attempt(runs, run), "the first attempt is told that it is over")
    let_go(word)

    async with asyncio.timeout(90):
        assert (await run.result())["stdout"] == "begun\nended\n"


def _goes_on_without_its_attempt(runs: Runs, run: Any) -> bool:
    logged = runs.stack("logs", "worker", "-n", "1000").stdout.splitlines()
    return any("what it does goes on" in line and run.handle.id in line for line in logged)


async def _attempt(run: Any) -> int:
    described = await run.handle.describe()
    return max((a.attempt for a in described.raw_description.pending_activities), default=1)


async def _said(run: Any, word: str) -> bool:
    """Heartbeats carry the end of the output."""
    described = await run.handle.describe()
    return any(
        word.encode() in p.data
        for a in described.raw_description.pending_activities
        for p in a.heartbeat_details.payloads
    )


async def test_a_run_in_a_container_goes_on_without_its_worker_and_its_code_runs_once(runs: Runs, images: None) -> None:
    code = "echo once >> runs.txt; echo begun; sleep 12; cat runs.txt"
    run = await runs.start([sandbox(language="shell", code=code, isolation="container", collect=["runs.txt"])])
    await until_found(lambda: _said(run, "begun"), patience=60)

    os.kill(runs.stack.pid("worker"), signal.SIGKILL)

    async with asyncio.timeout(90):
        result = await run.result()
    assert result["stdout"] == "begun\nonce\n"
    assert result["files"] == {"runs.txt": "once\n"}


def test_output_is_shown_to_who_watches_while_it_is_written(runs_stack: Stack, tmp_path: Path, word: str) -> None:
    file = flow_file(tmp_path, [held(word, "echo begun; echo oops >&2")])
    running = runs_stack.start("run", str(file), "--wait")

    said = read_until(running.stderr, "box │ begun\n", "box │ oops\n")

    assert running.poll() is None
    assert "completed" not in said
    let_go(word)
    assert running.communicate(timeout=90)[0].count("begun") == 1


def test_output_is_told_to_programs_as_events(runs_stack: Stack, tmp_path: Path, word: str) -> None:
    inner = flow_file(tmp_path, [held(word, "echo begun; echo oops >&2")], name="inner")
    file = flow_file(tmp_path, [{"id": "child", "flow": inner.name}])
    run = f"events-{uuid4().hex[:8]}"
    assert runs_stack("run", str(file), "--detach", "--id", run).returncode == 0

    watching = runs_stack.start("runs", "watch", run, "--json")
    said = read_until(watching.stdout, '"begun"', '"oops"')
    let_go(word)
    said += watching.communicate(timeout=90)[0]

    events = [json.loads(line) for line in said.splitlines()]
    written = [(event["task"], event["stream"], event["text"]) for event in events if event["event"] == "output"]
    assert ("child/box", "stdout", "begun") in written
    assert ("child/box", "stderr", "oops") in written
    assert written.count(("child/box", "stdout", "begun")) == 1
    assert (events[-1]["event"], events[-1]["status"]) == ("ended", "completed")
    assert events[-1]["result"]["stdout"] == "begun\nended\n"
    assert {"running", "completed"} <= {e["status"] for e in events if e["event"] == "task" and e["task"] == "child"}
