"""The task `tool` in a run: what it gives, who is asked, and what a killed worker means for each contract."""

import asyncio
import json
import os
import shlex
import signal
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.runs import Run, Runs
from support.stack import Stack, resprout
from support.waiting import until, until_found
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError


def world(name: str, file: Path, **more: Any) -> dict[str, Any]:
    return {"id": "act", "tool": f"world.{name}", "with": {"file": str(file), **more}}


def effects(file: Path) -> Counter[str]:
    """How often each key has acted."""
    return Counter(line.split()[0] for line in file.read_text().splitlines()) if file.exists() else Counter()


def repetitions(runs: Runs, run: Run) -> int:
    """How often calls of the run were tried again: each may act once more under its key, if its contract allows it.

    Who is not heard of for seconds is thought dead, also when the machine only stood still: then it goes on meanwhile,
    and nobody tells it of the end.
    """
    more = f"SELECT coalesce(sum(attempts - 1), 0) FROM resprout.effects WHERE run = '{run.handle.id}'"
    return int(runs.stack.sql(more)[0][0])


async def until_exists(path: Path) -> None:
    await until(path.exists, 60)


async def until_waits(runs: Runs, run: Run, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(90):
        while True:
            try:
                state = await run.handle.query("state")
            except Exception:  # noqa: BLE001 - its worker was killed and comes back
                state = {"approvals": []}
            found = [one for one in state["approvals"] if one["kind"] == kind]
            if found:
                pending: dict[str, Any] = found[0]
                return pending
            await asyncio.sleep(0.05)


def say(runs: Runs, *words: str) -> str:
    done = runs.stack(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "effects"


async def test_a_tool_gives_its_result_as_output(runs: Runs, file: Path) -> None:
    tasks = [world("safe", file, line="${{ inputs.word }}")]

    assert await runs.result(tasks, {"word": "hello"}, inputs={"word": {"type": "string"}}) == "wrote hello"
    assert effects(file).total() == 1


async def test_what_a_tool_refuses_fails_the_task_and_names_the_argument(runs: Runs) -> None:
    failure = await runs.failure([{"id": "act", "tool": "world.safe", "with": {"fiel": "x"}}])

    assert "BadArguments" in failure
    assert "`fiel`: there is no such argument" in failure


async def test_a_tool_that_there_is_not_is_named_with_the_nearest(runs: Runs) -> None:
    failure = await runs.failure([{"id": "act", "tool": "world.saef", "with": {}}])

    assert "there is no tool 'world.saef': did you mean `world.safe`?" in failure


async def test_a_version_is_what_the_flow_says(runs: Runs, file: Path) -> None:
    run = await runs.start([{**world("safe", file), "tool": "world.aged@1.0"}])
    failure = await run.failure()

    assert "Denied" in failure  # a flow is a machine: what was withdrawn is not to be had by an older version


@pytest.mark.parametrize(("contract", "moment", "most"), [
    ("safe", "before", 1),
    ("safe", "after", 2),
    ("keyed", "before", 1),
    ("keyed", "after", 2),  # one key: the far side knows it
])  # fmt: skip
async def test_a_worker_killed_in_a_tool_that_may_be_repeated(
    runs: Runs, file: Path, contract: str, moment: str, most: int
) -> None:
    gate = file.with_name("gate")
    worker = runs.stack.pid("worker")
    run = await runs.start([world(contract, file, **{moment: str(gate)})])
    await until_exists(Path(f"{file}.{'intended' if moment == 'before' else 'done'}"))

    os.kill(worker, signal.SIGKILL)
    gate.touch()

    assert await run.handle.result() == "wrote x"
    assert len(effects(file)) == 1  # one key
    assert effects(file).total() <= most + (repetitions(runs, run) - 1)


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_worker_killed_in_a_tool_that_may_act_once_leaves_it_in_doubt(
    runs: Runs, file: Path, moment: str
) -> None:
    gate = file.with_name("gate")
    run = await runs.start([world("once", file, **{moment: str(gate)})])
    await until_exists(Path(f"{file}.{'intended' if moment == 'before' else 'done'}"))

    os.kill(runs.stack.pid("worker"), signal.SIGKILL)
    pending = await until_waits(runs, run, "in-doubt")

    assert "ended before it could say" in pending["show"]["known"]
    listed = json.loads(say(runs, "effects", "in-doubt", "--run", run.handle.id, "--json"))
    assert [one["key"] for one in listed] == [pending["effect"]]
    acted = effects(file).total()
    assert acted == (0 if moment == "before" else 1)

    how = ("again",) if moment == "before" else ("done", "--result", '"found it there"')
    gate.touch()
    say(runs, "effects", "resolve", pending["effect"], *how, "--comment", "looked")

    assert await run.handle.result() == ("wrote x" if moment == "before" else "found it there")
    assert effects(file).total() == 1


async def test_a_dangerous_tool_waits_for_a_person_and_the_inbox_shows_it(runs: Runs, file: Path) -> None:
    run = await runs.start([world("guarded", file, line="one")])
    pending = await until_waits(runs, run, "tool")

    listed = json.loads(say(runs, "approvals", "list", "--json"))
    shown = next(one for one in listed if one["id"] == pending["approval"])
    assert (shown["tool"], shown["arguments"]["line"], shown["run"]) == ("world.guarded", "one", run.handle.id)
    assert effects(file).total() == 0

    say(runs, "approvals", "approve", pending["approval"], "--edit", "line=two", "--comment", "better so")

    assert await run.handle.result() == "wrote two"
    assert effects(file).total() == 1


async def test_an_approval_outlives_its_worker(runs: Runs, file: Path) -> None:
    run = await runs.start([world("guarded", file)])
    pending = await until_waits(runs, run, "tool")

    os.kill(runs.stack.pid("worker"), signal.SIGKILL)
    runs.stack.wait_healthy()
    say(runs, "approvals", "approve", run.handle.id)

    assert await run.handle.result() == "wrote x"
    assert effects(file).total() == 1
    assert json.loads(say(runs, "approvals", "show", pending["approval"], "--json"))["state"] == "approved"


async def test_a_rejected_tool_fails_the_task_with_the_reason(runs: Runs, file: Path) -> None:
    run = await runs.start([world("guarded", file)])
    pending = await until_waits(runs, run, "tool")

    say(runs, "approvals", "reject", pending["approval"], "--comment", "not today")

    assert "rejected world.guarded@1.0.0: not today" in await run.failure()
    assert effects(file).total() == 0


async def test_a_task_that_asks_people_is_in_the_same_inbox(runs: Runs) -> None:
    spec = {"show": {"sum": 100}, "form": {"limit": {"type": "integer"}}}
    run = await runs.start([{"id": "ask", "name": "Pay it?", "approval": spec}])
    await until_waits(runs, run, "task")

    listed = json.loads(say(runs, "approvals", "list", "--run", run.handle.id, "--json"))
    assert [(one["kind"], one["title"], one["shown"]) for one in listed] == [("task", "Pay it?", {"sum": 100})]
    say(runs, "approvals", "approve", listed[0]["id"], "--field", "limit=5")

    assert (await run.handle.result())["form"] == {"limit": 5}
    assert json.loads(say(runs, "approvals", "list", "--run", run.handle.id, "--json")) == []


async def test_a_run_that_is_cancelled_leaves_nothing_in_the_inbox(runs: Runs, file: Path) -> None:
    run = await runs.start([world("guarded", file)])
    await until_waits(runs, run, "tool")

    await run.handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await run.handle.result()

    assert json.loads(say(runs, "approvals", "list", "--run", run.handle.id, "--json")) == []


def test_a_tool_is_called_from_the_command_line(runs_stack: Stack, file: Path) -> None:
    done = runs_stack("tool", "call", "world.safe", "--arg", f"file={file}", "--arg", "line=${{ 1 + 1 }}", "--json")

    assert json.loads(done.stdout)["result"] == "wrote ${{ 1 + 1 }}"
    history = json.loads(runs_stack("tool", "history", "--tool", "world.safe", "--limit", "1", "--json").stdout)
    assert history[0]["result"] == "wrote ${{ 1 + 1 }}"
    usage = json.loads(runs_stack("tool", "usage", "--tool", "world.safe", "--json").stdout)
    assert usage[0]["calls"] >= 1


def test_a_tool_of_a_worker_is_called_by_a_command_that_has_not_its_code(runs_stack: Stack, file: Path) -> None:
    words = ("--data-dir", str(runs_stack.data_dir), "tool", "call", "world.safe", "--arg")

    done = resprout(*words, f"file={file}", "--json")
    unfit = resprout(*words, f"fiel={file}")
    misplaced = resprout(*words[:-1], f"file={file}")

    assert json.loads(done.stdout)["result"] == "wrote x", done.stderr
    assert (unfit.returncode, "fiel" in unfit.stderr) == (2, True)
    hint = misplaced.stderr.split("`")[1]
    assert resprout(*shlex.split(hint)[1:]).returncode == 0, hint


async def test_a_throttled_call_says_so_and_until_when(runs: Runs, file: Path) -> None:
    call = ("tool", "call", "world.safe", "--tenant", "slow", "--arg", f"file={file}")
    say(runs, "tool", "quota", "set", "1", "--per", "30s", "--tenant", "slow", "--tool", "world.safe")
    say(runs, *call)

    waited = runs.stack(*call)
    say(runs, "tool", "quota", "set", "1", "--per", "1h", "--tenant", "slow", "--tool", "world.safe")
    say(runs, *call, "--detach", "--id", "slow-one")
    state: dict[str, Any] = {"delays": []}
    async with asyncio.timeout(60):
        while not state["delays"]:
            state = json.loads(say(runs, "runs", "show", "slow-one", "--json"))
    shown = say(runs, "runs", "show", "slow-one")
    say(runs, "runs", "cancel", "slow-one")

    assert waited.returncode == 0
    assert "throttled: world.safe may be called 1 times in 30 s, and was; it is tried again at" in waited.stderr
    (delay,) = state["delays"]
    assert (delay["throttled"], "in 3600 s" in delay["why"]) == (True, True)
    assert datetime.now(UTC) < datetime.fromisoformat(delay["until"]) < datetime.now(UTC) + timedelta(hours=1)
    assert "throttled: world.safe" in shown


@pytest.mark.parametrize(("default", "verdict"), [("approve", "allow"), (None, "deny")])
async def test_a_question_that_nobody_answers_is_on_record(runs: Runs, default: str | None, verdict: str) -> None:
    run = await runs.start(
        [{"id": "ok", "approval": {"timeout": "300ms", **({"default": default} if default else {})}}]
    )
    with suppress(WorkflowFailureError):
        await run.handle.result()

    rows = json.loads(say(runs, "audit", "search", "--run", run.handle.id, "--json"))
    assert [(row["kind"], row["verdict"]) for row in reversed(rows)] == [("asked", None), ("expired", verdict)]
    (approval,) = json.loads(say(runs, "approvals", "list", "--run", run.handle.id, "--state", "expired", "--json"))
    assert approval["answered_at"] is not None


async def test_who_asked_is_told_how_to_withdraw_his_question(runs: Runs, file: Path) -> None:
    say(runs, "tool", "call", "world.guarded", "--arg", f"file={file}", "--detach", "--id", "my-own")
    pending = await until_waits(runs, Run(runs.client.get_workflow_handle("my-own"), "my-own"), "tool")

    shown = runs.stack("approvals", "show", pending["approval"])
    refused = runs.stack("approvals", "approve", pending["approval"])

    assert "`resprout runs cancel my-own --data-dir" in shown.stderr
    assert (refused.returncode, "`resprout runs cancel my-own --data-dir" in refused.stderr) == (2, True)
    say(runs, *shlex.split(refused.stderr.split("`resprout ")[1].split("`")[0]))
    with pytest.raises(WorkflowFailureError):
        await runs.client.get_workflow_handle("my-own").result()
    assert json.loads(say(runs, "approvals", "list", "--run", "my-own", "--json")) == []


async def test_a_doubt_is_resolved_though_its_run_has_ended(runs: Runs, file: Path) -> None:
    run = await runs.start([world("once", file, after=str(file.with_name("never")))])
    await until_exists(Path(f"{file}.done"))
    await run.handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await run.handle.result()
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        while not found:  # the worker learns of it by its next heartbeat
            found = json.loads(say(runs, "effects", "in-doubt", "--run", run.handle.id, "--json"))
    (doubt,) = found

    refused = runs.stack("effects", "resolve", doubt["key"], "again")
    unsaid = runs.stack("effects", "resolve", doubt["key"], "done")
    say(runs, "effects", "resolve", doubt["key"], "done", "--result", '"wrote x"', "--comment", "it is in the file")

    assert refused.returncode == 2
    assert unsaid.returncode == 2
    assert "say with --result what it gave" in unsaid.stderr
    assert "does not wait for it any more" in refused.stderr
    assert json.loads(say(runs, "effects", "show", doubt["key"], "--json"))["state"] == "done"


def block(*tasks: dict[str, Any]) -> list[dict[str, Any]]:
    """Tried twice, since its last task fails each time."""
    fails = {"id": "no", "tool": "world.safe", "with": {"file": "/no-such-folder/x"}}
    return [{"id": "pay", "retry": {"attempts": 2, "backoff": "10ms"}, "sequential": [*tasks, fails]}]


async def test_a_block_that_is_tried_again_calls_its_tools_again_and_undoes_each(runs: Runs, file: Path) -> None:
    undone = file.with_name("undone")
    act = world("safe", file) | {"compensate": [{**world("safe", undone), "id": "undo"}]}

    await runs.failure(block(act))

    assert (effects(file).total(), len(effects(file))) == (2, 2)
    assert (effects(undone).total(), len(effects(undone))) == (2, 2)


async def test_an_answer_is_for_what_was_looked_at(runs: Runs) -> None:
    run = await runs.start(block({"id": "ask", "approval": {}}))
    first = await until_waits(runs, run, "task")
    (shown,) = json.loads(say(runs, "approvals", "list", "--run", run.handle.id, "--json"))
    say(runs, "approvals", "approve", shown["id"])
    await until_found(
        lambda: until_waits(runs, run, "task"), lambda found: found["since"] != first["since"], patience=60
    )

    late = {"task": "ask", "approval": shown["id"], "decision": "approve", "by": "bob"}
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await run.handle.execute_update("answer", late)
    (asked,) = json.loads(say(runs, "approvals", "list", "--run", run.handle.id, "--json"))
    say(runs, "approvals", "reject", asked["id"], "--comment", "no")
    await run.failure()

    assert "waits for another answer by now" in str(refused.value.cause)
    assert asked["id"] != shown["id"]
