"""A run of an agent that is carried from history to history. A worker in this process does it sooner than others."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from resprout.runtime import temporal, worker
from resprout.runtime.sandboxes import sandboxes
from resprout.runtime.settings import Settings
from resprout.runtime.stack.find import attach
from resprout.runtime.tools import tools
from resprout.workflows.agent_run import conversation
from runs.test_agent_runs import file, key, texts, writes
from runs.test_tools import say, until_exists
from support.model_server import Heard, Turn, Use
from support.providers import Providers
from support.runs import Run, Runs
from temporalio import workflow
from temporalio.client import WorkflowExecutionStatus

__all__ = ["file", "key"]

QUEUE = "carried-soon"
EVENTS = 150  # of a history, instead of thousands
DECISIONS = 52


@pytest.fixture
async def queue(runs: Runs) -> AsyncIterator[str]:
    async with a_worker_here(runs):
        yield QUEUE


@asynccontextmanager
async def a_worker_here(runs: Runs) -> AsyncIterator[None]:
    settings = attach(Settings(data_dir=runs.stack.data_dir), "temporal.address", "postgres.dsn")
    words = settings.temporal.model_copy(update={"task_queue": QUEUE})
    settings = settings.model_copy(update={"temporal": words})
    client = await temporal.client_of(settings)
    async with (
        sandboxes(settings, recorded=True, warm=0) as boxes,
        tools(settings, boxes, client) as hands,
        worker.make(client, settings, boxes, hands),
    ):
        yield


def carry_after(events: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        workflow.Info, "is_continue_as_new_suggested", lambda info: info.get_current_history_length() > events
    )


async def test_a_long_run_goes_on_in_new_histories_and_forgets_nothing(
    runs: Runs, providers: Providers, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry_after(EVENTS, monkeypatch)

    def says(_: Heard, position: int) -> Turn:
        if position == DECISIONS - 1:
            return Turn("done")
        return Turn(uses=(Use("text.count", {"text": "a b"}),))

    model = providers.follows(says)
    given = {"goal": "count often", "model": model, "tools": ["text.count"], "max_iterations": 60}
    handle = await runs.client.start_workflow("agent", given, id=f"long-{uuid4().hex[:8]}", task_queue=queue)
    runs.started.append(Run(handle, handle.id))
    await handle.execute_update("steer", "and hurry")

    result = await handle.result()
    first = await runs.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id).describe()

    assert (result["answer"], result["iterations"], result["tool_calls"]) == ("done", DECISIONS, DECISIONS - 1)
    assert result["usage"]["input_tokens"] == 100 * DECISIONS
    assert providers.positions(model) == list(range(DECISIONS))
    assert "and hurry" in texts(providers.heard(model)[-1])
    assert first.status is WorkflowExecutionStatus.CONTINUED_AS_NEW
    last = await handle.fetch_history()
    assert len(last.events) < EVENTS + 50
    assert "count often" not in str(last.events[-1])


async def test_a_run_that_waits_for_a_conversation_is_carried_over_too(
    runs: Runs, providers: Providers, queue: str, monkeypatch: pytest.MonkeyPatch, file: Path, key: str
) -> None:
    carry_after(20, monkeypatch)
    monkeypatch.setattr(conversation, "LAST_LOOK", timedelta(seconds=2))
    gate = file.with_name("gate")
    holds = providers.will(Turn(uses=(writes(file, before=str(gate)),)), Turn("one"))
    holding = await runs.agent("say", holds, agent=key, tools=["world.keyed"])
    await until_exists(Path(f"{file}.intended"))
    given = {"goal": "g", "model": providers.will(Turn("two")), "agent": key, "limits": {"calls": 1}}
    handle = await runs.client.start_workflow("agent", given, id=f"waits-{uuid4().hex[:8]}", task_queue=queue)
    waiting = Run(handle, handle.id)
    runs.started.append(waiting)

    first = runs.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
    async with asyncio.timeout(60):
        while (await first.describe()).status is not WorkflowExecutionStatus.CONTINUED_AS_NEW:
            await asyncio.sleep(0.2)
    state = await waiting.until(lambda seen: seen["waits_for"])
    gate.touch()

    assert (state["status"], state["waits_for"]) == ("waiting", holding.handle.id)
    assert (await holding.result())["answer"] == "one"
    assert (await waiting.result())["answer"] == "two"


async def test_a_run_that_was_carried_over_is_continued_under_a_budget_of_its_own(
    runs: Runs, providers: Providers, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry_after(15, monkeypatch)

    def says(_: Heard, position: int) -> Turn:
        return Turn("done") if position >= 4 else Turn(uses=(Use("text.count", {"text": "a b"}),))

    given = {
        "goal": "count",
        "model": providers.follows(says),
        "tools": ["text.count"],
        "max_iterations": 4,
        "limits": {"calls": 8},
    }
    handle = await runs.client.start_workflow("agent", given, id=f"spends-{uuid4().hex[:8]}", task_queue=queue)
    yielded = await handle.result()
    first = await runs.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id).describe()

    continued = json.loads(await asyncio.to_thread(say, runs, "runs", "continue", handle.id, "--json"))

    assert (yielded["status"], first.status) == ("yielded", WorkflowExecutionStatus.CONTINUED_AS_NEW)
    assert continued["result"]["answer"] == "done"
