"""Runs of flows from Python."""

import pickle
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from resprout.actors.errors import NotFound, Rejected, RunFailed
from resprout.runtime.client import Client
from resprout.runtime.flow_start import BadFlow
from resprout.runtime.settings import Settings
from resprout.workflows.flow import Flow
from resprout.workflows.flow.model import Ask, Wait, WaitSpec
from resprout.workflows.interpreter.approvals import Answer
from support.flow_tasks import flow_file, step
from support.stack import Stack
from support.steps import Do
from support.waiting import until_found


@pytest.fixture
async def client(runs_stack: Stack) -> AsyncIterator[Client]:
    runs_stack.wait_healthy()
    async with await Client.connect(Settings(data_dir=runs_stack.data_dir), tenant="acme") as client:
        yield client


async def waits(client: Client, run: str, status: str) -> None:
    ref = (await client.runs()).get(run)
    await until_found(ref.state, lambda found: any(task["status"] == status for task in found["tasks"]), patience=90)


async def test_a_flow_file_runs_and_gives_its_output(client: Client, tmp_path: Path) -> None:
    file = flow_file(tmp_path, [step("a", do={"value": "${{ inputs.x }}"})], inputs={"x": {"type": "integer"}})

    assert (await client.run(file, {"x": 1}))["value"] == 1
    assert (await client.run(str(file), {"x": 2}))["value"] == 2


async def test_a_flow_built_in_python_runs_and_gives_its_output(client: Client) -> None:
    agent = f"step/{uuid4().hex[:10]}"
    flow = Flow.named("built", tasks=[Ask(id="a", agent=agent, ask="step.do", with_={"value": "${{ run.tenant }}"})])

    assert (await client.run(flow))["value"] == "acme"


async def test_a_run_can_be_spoken_to_while_it_goes_on(client: Client, tmp_path: Path) -> None:
    tasks = [{"id": "w", "wait": {"signal": "go"}}, {"id": "ok", "approval": {}}]
    run = await client.run(flow_file(tmp_path, tasks), wait=False, tags=["mine"])

    await run.pause()
    paused = (await run.describe()).status
    await run.resume()
    await run.signal("go", {"n": 1})
    await waits(client, run.id, "completed")
    await until_found(run.state, lambda found: found["approvals"], patience=90)
    task = await run.answer(Answer(decision="approve", by="ada"))

    assert paused == "paused"
    assert task == "ok"
    assert (await run.result())["by"] == "ada"
    row = await run.describe()
    assert (row.status, row.tags, row.tenant, row.flow) == ("completed", ("mine",), "acme", "test")
    assert run.url is not None
    assert run.id in run.url


async def test_a_cancelled_run_raises_that_it_was_cancelled(client: Client) -> None:
    flow = Flow.named("long", tasks=[Wait(id="w", wait=WaitSpec(signal="go"))])
    run = await client.run(flow, wait=False)

    await run.cancel()

    with pytest.raises(RunFailed, match=f"the run {run.id} was cancelled") as caught:
        await run.result()
    assert caught.value.status == "cancelled"


async def test_a_failed_run_raises_which_task_failed_and_why(client: Client, tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="the task `bad` failed") as caught:
        await client.run(flow_file(tmp_path, [step("bad", do={"fail": 9})]), id=f"run-{uuid4().hex}")

    assert (caught.value.task, caught.value.type) == ("bad", "AgentFailed")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


async def test_a_flow_with_mistakes_raises_them_all(client: Client, tmp_path: Path) -> None:
    file = flow_file(tmp_path, [step("a", needs=["x"]), step("b", needs=["y"])])

    with pytest.raises(BadFlow, match="2 mistakes in all: see `resprout flow validate") as caught:
        await client.run(file)

    assert len(caught.value.problems) == 2
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


async def test_inputs_that_do_not_fit_are_refused(client: Client, tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="there is no input `x`"):
        await client.run(flow_file(tmp_path, [step("a")]), {"x": 1})


async def test_a_run_that_nobody_knows_is_not_found(client: Client) -> None:
    with pytest.raises(NotFound, match="there is no run zzzzzz: list them"):
        await (await client.runs()).get("zzzzzz").describe()


def test_without_a_loop_a_flow_runs_too(runs_stack: Stack, tmp_path: Path) -> None:
    with Client.in_thread(Settings(data_dir=runs_stack.data_dir)) as client:
        assert client.run(flow_file(tmp_path, [step("a")]))["value"] == "a"


async def test_a_task_is_submitted_and_its_reply_awaited(client: Client) -> None:
    task = await client.submit(Do(value=3), capability="stepping")

    assert (await task.result())["value"] == 3


async def test_a_task_that_does_not_fit_is_refused(client: Client) -> None:
    with pytest.raises(Rejected, match="cannot be submitted: give a capability or an agent, and not both"):
        await client.submit(Do(value=3))


async def test_a_tool_is_called_from_python_once_for_each_id(client: Client, tmp_path: Path) -> None:
    file, name = tmp_path / "lines", f"run-{uuid4().hex}"

    given = [await client.call_tool("world.once", {"file": str(file), "line": "${{ x }}"}, id=name) for _ in range(2)]

    assert given == ["wrote ${{ x }}"] * 2
    assert len(file.read_text().splitlines()) == 1


async def test_what_a_tool_refuses_is_raised_with_its_kind(client: Client) -> None:
    with pytest.raises(RunFailed, match="there is no such argument") as failure:
        await client.call_tool("world.once", {"fiel": "x"})

    assert failure.value.type == "BadArguments"
