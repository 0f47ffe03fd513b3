"""A workflow of your own, in plain Temporal, that uses Resprout's activities: agents from a worker that is not ours.

    resprout up --detach
    python examples/plain_temporal.py

The workflow runs in this process, on its own task queue; each `agent.ask` runs in Resprout's worker, on `resprout`.
What an agent did, it did once, however often either worker is killed: the message's id comes from the step.
"""

import asyncio
from datetime import timedelta
from uuid import uuid4

from resprout.activities.contracts import ASK_AGENT, AskInput, AskOutput
from resprout.runtime import temporal
from resprout.runtime.settings import load
from resprout.runtime.stack.find import attach
from temporalio import workflow
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

QUEUE = "my-own-workflows"


@workflow.defn
class GreetAll:
    @workflow.run
    async def run(self, names: list[str]) -> list[str]:
        return list(await asyncio.gather(*(self.greet(name) for name in names)))

    async def greet(self, name: str) -> str:
        reply: AskOutput = await workflow.execute_activity(
            ASK_AGENT,
            AskInput(agent=f"greeter/{name}", message="greeter.greet", body={"name": name}),
            task_queue="resprout",
            result_type=AskOutput,
            start_to_close_timeout=timedelta(minutes=1),
            heartbeat_timeout=timedelta(seconds=3),
            summary=f"greet {name}",
        )
        assert reply.body is not None
        return str(reply.body["text"])


async def main() -> None:
    settings = attach(load().settings, "temporal.address", "postgres.dsn")
    client = await temporal.client_of(settings)  # with our payloads: pydantic's JSON, large ones kept aside
    runner = SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules("resprout", "pydantic")
    )
    async with Worker(client, task_queue=QUEUE, workflows=[GreetAll], workflow_runner=runner):
        greetings = await client.execute_workflow(
            GreetAll.run, ["ada", "bob", "cy"], id=f"greet-all-{uuid4()}", task_queue=QUEUE
        )
    print("\n".join(greetings))


if __name__ == "__main__":
    asyncio.run(main())
