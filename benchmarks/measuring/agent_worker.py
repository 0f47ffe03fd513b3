"""A worker in this process that runs agents as ours do, and workflows of bare activities: the same for both."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from resprout.runtime.sandboxes import sandboxes
from resprout.runtime.settings import Settings
from resprout.runtime.tools import tools
from resprout.runtime.worker import workflow_runner
from resprout.workflows.agent_run.workflow import AgentRun
from resprout.workflows.asking import HEARTBEAT_TIMEOUT
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

QUEUE = "resprout-bench-agents"
BARE = "bare"


@activity.defn(name=BARE)
async def bare(number: int) -> int:
    return number


@workflow.defn(name="bare-steps")
class BareSteps:
    @workflow.run
    async def run(self, steps: int) -> None:
        for n in range(steps):
            await workflow.execute_activity(
                BARE, n, start_to_close_timeout=timedelta(minutes=1), heartbeat_timeout=HEARTBEAT_TIMEOUT
            )


@asynccontextmanager
async def agent_worker(client: Client, settings: Settings) -> AsyncIterator[None]:
    async with (
        sandboxes(settings, recorded=True, warm=settings.sandbox.warm) as boxes,
        tools(settings, boxes, client) as hands,
        Worker(
            client,
            task_queue=QUEUE,
            workflows=[AgentRun, BareSteps],
            activities=[bare, hands.call.call, hands.think.begin, hands.think.decide, hands.think.leave],
            workflow_runner=workflow_runner(),
        ),
    ):
        yield
