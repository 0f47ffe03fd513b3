"""A worker in this process that calls a trivial tool as our workers do, and a bare activity that does the same."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from resprout.activities.contracts import CALL_TOOL, ToolInput, ToolOutput
from resprout.runtime.sandboxes import sandboxes
from resprout.runtime.settings import Settings
from resprout.runtime.tools import tools
from resprout.runtime.worker import workflow_runner
from resprout.workflows.asking import HEARTBEAT_TIMEOUT, RETRY
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

QUEUE = "resprout-bench-tools"
TEXT = "how many words are there in this text"


@activity.defn(name="bare")
async def bare(text: str) -> dict[str, Any]:
    return {"count": len(text.split())}


@workflow.defn(name="steps")
class Steps:
    """So many steps, one after the other: each a call of the tool, or the bare activity."""

    @workflow.run
    async def run(self, given: dict[str, Any]) -> None:
        for n in range(given["steps"]):
            if given["bare"]:
                await workflow.execute_activity(
                    "bare", TEXT, start_to_close_timeout=timedelta(minutes=1), heartbeat_timeout=HEARTBEAT_TIMEOUT
                )
                continue
            step = f"{workflow.info().workflow_id}/{n}"
            call = ToolInput(tool="text.count", arguments={"text": TEXT}, step=step, task=f"{n}", chain=("user:bench",))
            await workflow.execute_activity(
                CALL_TOOL,
                call,
                result_type=ToolOutput,
                start_to_close_timeout=timedelta(minutes=1),
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RETRY,
            )


@asynccontextmanager
async def tool_worker(client: Client, settings: Settings) -> AsyncIterator[None]:
    async with (
        sandboxes(settings, recorded=True, warm=settings.sandbox.warm) as boxes,
        tools(settings, boxes, client) as hands,
        Worker(
            client,
            task_queue=QUEUE,
            workflows=[Steps],
            activities=[bare, hands.call.call],
            workflow_runner=workflow_runner(),
        ),
    ):
        yield
