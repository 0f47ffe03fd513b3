"""Runs of flows on a stack, from Python."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from support.waiting import until_found
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowQueryFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from .flow_tasks import own
from .stack import Stack


@dataclass
class Runs:
    client: Client
    stack: Stack
    started: "list[Run]" = field(default_factory=list)

    async def start(self, tasks: list[dict[str, Any]], given: dict[str, Any] | None = None, **more: Any) -> "Run":
        """In each text, `@name` stands for a step agent that no other run has."""
        name = uuid4().hex[:10]
        words = {"flow": {"flow": {"name": "test"}, "tasks": tasks, **more}, "inputs": given or {}}
        return await self.begin(name, words)

    async def begin(self, name: str, words: dict[str, Any]) -> "Run":
        words = own(words, f"step/{name}-")
        handle = await self.client.start_workflow("flow", words, id=f"run-{name}", task_queue="resprout")
        self.started.append(run := Run(handle, name))
        return run

    async def start_with_children(self, tasks: list[dict[str, Any]], children: dict[str, dict[str, Any]]) -> "Run":
        name = uuid4().hex[:10]
        frozen = {path: {"document": document, "hash": path} for path, document in children.items()}
        words = {"flow": {"flow": {"name": "test"}, "tasks": tasks}, "children": frozen}
        return await self.begin(name, words)

    async def submit(self, words: dict[str, Any]) -> "Run":
        """A task, without a flow."""
        name = uuid4().hex[:10]
        handle = await self.client.start_workflow("task", own(words, f"step/{name}-"), id=name, task_queue="resprout")
        self.started.append(run := Run(handle, name))
        return run

    async def agent(self, goal: str, model: str, **words: Any) -> "Run":
        name = uuid4().hex[:10]
        given = {"goal": goal, "model": model, **words}
        handle = await self.client.start_workflow("agent", given, id=f"agent-{name}", task_queue="resprout")
        self.started.append(run := Run(handle, name))
        return run

    async def times(self, run: "Run", step: str) -> int:
        """How often the step agent has done its step."""
        did = await self._look(run, step, "step.do", {})
        return int(did["times"]) - 1

    async def notes(self, run: "Run", step: str, count: int = 0) -> list[str]:
        """What was told to it, in order, as soon as there is so much of it."""

        async def heard() -> list[str]:
            return list((await self._look(run, step, "step.look", {}))["words"])

        return await until_found(heard, lambda found: len(found) >= count, patience=60)

    async def _look(self, run: "Run", step: str, message: str, body: dict[str, Any]) -> dict[str, Any]:
        flow = {
            "flow": {"name": "look"},
            "tasks": [{"id": "look", "agent": run.agent(step), "ask": message, "with": body}],
        }
        found: dict[str, Any] = await self.client.execute_workflow(
            "flow", {"flow": flow}, id=f"look-{uuid4().hex[:10]}", task_queue="resprout"
        )
        return found

    async def result(self, tasks: list[dict[str, Any]], given: dict[str, Any] | None = None, **more: Any) -> Any:
        return await (await self.start(tasks, given, **more)).result()

    async def failure(self, tasks: list[dict[str, Any]], given: dict[str, Any] | None = None, **more: Any) -> str:
        return await (await self.start(tasks, given, **more)).failure()


@dataclass
class Run:
    handle: WorkflowHandle[Any, Any]
    name: str

    def agent(self, name: str) -> str:
        return f"step/{self.name}-{name}"

    async def result(self) -> Any:
        return await self.handle.result()

    async def failure(self) -> str:
        with pytest.raises(WorkflowFailureError) as caught:
            await self.handle.result()
        cause = caught.value.cause
        assert isinstance(cause, ApplicationError), repr(cause)
        return f"{cause.type}: {cause.message}"

    async def reach(self, key: str, status: str) -> None:
        """Until the task with this key is there."""
        await self.until(lambda state: (key, status) in [(one["key"], one["status"]) for one in state["tasks"]])

    async def until(self, condition: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Until its state is so; a worker that was killed comes back meanwhile."""
        async with asyncio.timeout(90):
            while True:
                with suppress(RPCError, WorkflowQueryFailedError):
                    if condition(state := await self.state()):
                        return state
                await asyncio.sleep(0.05)

    async def state(self) -> dict[str, Any]:
        state: dict[str, Any] = await self.handle.query("state")
        return state
