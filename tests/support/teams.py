"""Flows whose agents think with a mind of the test: Temporal, workflows and brains are real, the model is not."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from resprout.activities.settle import Settle
from resprout.activities.think import Think
from resprout.runtime import temporal
from resprout.runtime.flow_start import freeze_flow, run_input
from resprout.runtime.known_tools import known_tools
from resprout.runtime.roles import Roles
from resprout.runtime.settings import Settings
from resprout.runtime.stack.find import attach
from resprout.runtime.worker import workflow_runner
from resprout.workflows import kinds
from resprout.workflows.flow import Flow
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from .house import House
from .minds import AnsweringMind
from .stack import Stack


@dataclass
class Crews:
    client: Client
    queue: str
    roles: Path
    mind: AnsweringMind = field(default_factory=AnsweringMind)

    async def start(self, flow: str | Flow, **inputs: Any) -> WorkflowHandle[Any, Any]:
        given = run_input(freeze_flow(flow), inputs)
        return await self.client.start_workflow("flow", given, id=f"crew-{uuid4().hex[:10]}", task_queue=self.queue)

    async def result(self, flow: str | Flow, **inputs: Any) -> Any:
        async with asyncio.timeout(150):
            return await (await self.start(flow, **inputs)).result()


@asynccontextmanager
async def crews(stack: Stack, house: House, roles: Path) -> AsyncIterator[Crews]:
    """On the Temporal of a stack, by a worker of this process; brains are in this process, too."""
    client = await temporal.client_of(attach(Settings(data_dir=stack.data_dir), "temporal.address", "postgres.dsn"))
    settle = Settle(known_tools(None), _nothing_new, Roles(roles), "test/default")
    think = Think(house.caller, settle, _nothing_kept)
    queue = f"crews-{uuid4().hex[:10]}"
    async with Worker(
        client,
        task_queue=queue,
        workflows=kinds.ALL,
        activities=[think.begin, think.decide, think.compact, think.leave],
        workflow_runner=workflow_runner(),
        workflow_failure_exception_types=[Exception],
    ):
        yield Crews(client, queue, roles)


async def _nothing_new(reference: str) -> None:
    """No tool comes from outside."""


async def _nothing_kept(keys: Sequence[bytes]) -> list[bytes | None]:
    raise AssertionError(f"no tool was called, so nothing is kept of {keys}")


def given(goal: str) -> Mapping[str, Any]:
    """What an agent was given with its goal."""
    facts: dict[str, Any] = json.loads(goal.partition("What you are given:\n")[2] or "{}")
    return facts
