"""A run of an agent that is carried from history to history. A worker in this process does it sooner than others."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from resprout.runtime import temporal, worker
from resprout.runtime.sandboxes import sandboxes
from resprout.runtime.settings import Settings
from resprout.runtime.stack.find import attach
from resprout.runtime.tools import tools
from support.model_server import Heard, Turn, Use
from support.providers import Providers
from support.runs import Run, Runs
from temporalio import workflow
from temporalio.client import WorkflowExecutionStatus

QUEUE = "carried-soon"
EVENTS = 150  # of a history, instead of thousands
DECISIONS = 52


@pytest.fixture
async def queue(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    monkeypatch.setattr(
        workflow.Info, "is_continue_as_new_suggested", lambda info: info.get_current_history_length() > EVENTS
    )
    settings = attach(Settings(data_dir=runs.stack.data_dir), "temporal.address", "postgres.dsn")
    words = settings.temporal.model_copy(update={"task_queue": QUEUE})
    settings = settings.model_copy(update={"temporal": words})
    client = await temporal.client_of(settings)
    async with (
        sandboxes(settings, recorded=True, warm=0) as boxes,
        tools(settings, boxes, client) as hands,
        worker.make(client, settings, boxes, hands),
    ):
        yield QUEUE


async def test_a_long_run_goes_on_in_new_histories_and_forgets_nothing(
    runs: Runs, providers: Providers, queue: str
) -> None:
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
    assert first.status is WorkflowExecutionStatus.CONTINUED_AS_NEW
    last = await handle.fetch_history()
    assert len(last.events) < EVENTS + 50
    assert "count often" not in str(last.events[-1])
