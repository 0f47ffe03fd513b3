"""An agent loop as one usually writes it with Temporal alone: the workflow has the conversation, and gives the whole of
it to the activity that calls the model, each time (temporalio/sdk-python issue 1890)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from .pages import page_of
from .scripted_model import LONG_PAGE, PAGE

QUEUE = "resprout-bench-usual"
SOON = timedelta(minutes=1)


class UsualModel:
    def __init__(self) -> None:
        self.calls = 0

    @activity.defn(name="usual.model")
    async def think(self, conversation: list[dict[str, Any]]) -> dict[str, Any]:
        self.calls += 1
        use = {"id": f"call_{len(conversation)}", "name": "bench.page", "arguments": {"number": len(conversation)}}
        return {"role": "assistant", "content": None, "tool_calls": [use]}


@activity.defn(name="usual.page")
async def read(number: int) -> str:
    return page_of(number, PAGE)


@workflow.defn(name="usual-loop")
class UsualLoop:
    @workflow.run
    async def run(self, given: dict[str, int]) -> None:
        conversation: list[dict[str, Any]] = [
            {"role": "user", "content": page_of(n, LONG_PAGE)} for n in range(given["long_pages"])
        ]
        for n in range(given["calls"]):
            said = await workflow.execute_activity("usual.model", conversation, start_to_close_timeout=SOON)
            conversation.append(said)
            text = await workflow.execute_activity("usual.page", n, start_to_close_timeout=SOON)
            conversation.append({"role": "tool", "tool_call_id": said["tool_calls"][0]["id"], "content": text})


@asynccontextmanager
async def usual_worker(client: Client) -> AsyncIterator[UsualModel]:
    model = UsualModel()
    async with Worker(
        client,
        task_queue=QUEUE,
        workflows=[UsualLoop],
        activities=[model.think, read],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield model
