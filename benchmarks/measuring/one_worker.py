"""A worker in this process whose only activity answers at once: what is left is the workflows' own cost."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from resprout.activities.contracts import ASK_AGENT, AskInput, AskOutput
from resprout.runtime.worker import workflow_runner
from resprout.workflows.asking import ask
from resprout.workflows.interpreter.workflow import FlowRun
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

QUEUE = "resprout-bench"


@activity.defn(name=ASK_AGENT)
async def answer(request: AskInput) -> AskOutput:
    return AskOutput(message=request.message, body=request.body)


@workflow.defn(name="by-hand")
class ByHand:
    """What one writes with Temporal alone for the same tasks, one after the other."""

    @workflow.run
    async def run(self, tasks: int) -> Any:
        last: dict[str, Any] | None = None
        for n in range(tasks):
            last = (await ask("step/bench", "step.do", {"n": n}, timeout=timedelta(minutes=10))).body
        return last


@asynccontextmanager
async def one_worker(client: Client) -> AsyncIterator[None]:
    async with Worker(
        client, task_queue=QUEUE, workflows=[FlowRun, ByHand], activities=[answer], workflow_runner=workflow_runner()
    ):
        yield


def flow_of(tasks: int) -> dict[str, Any]:
    one = [{"id": f"t{n}", "agent": "step/bench", "ask": "step.do", "with": {"n": n}} for n in range(tasks)]
    return {"flow": {"flow": {"name": "bench"}, "tasks": one}}
