"""Agents that an agent gives work to: runs of their own, with rights that can only be narrower."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue
from temporalio import workflow
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError, is_cancelled_exception

from ..interpreter.failures import ID_TAKEN, TaskFailed
from ..interpreter.run_input import child_id
from ..interpreter.steps import PAUSE
from .run_input import TASK_TIMEOUT, AgentResult, AgentRunInput, CrewMember, address_of, own_conversation


@dataclass
class Children:
    given: AgentRunInput
    agent: str  # whose conversation the run has
    paused: Callable[[], bool]
    running: dict[str, "workflow.ChildWorkflowHandle[Any, Any]"] = field(default_factory=dict)

    async def run(
        self,
        member: CrewMember,
        name: str,
        goal: str,
        key: str,
        chain: tuple[str, ...],
        answer: dict[str, JsonValue] | None = None,
    ) -> AgentResult:
        within = (*self.given.within, self.agent)
        if member.key is not None and (theirs := address_of(member.role, member.key)) in within:
            raise TaskFailed("Rejected", own_conversation(theirs), key)
        id = child_id(workflow.info().workflow_id, key, 1)  # noqa: A001
        given = AgentRunInput(
            goal=goal,
            agent=member.key,
            role=member.role,
            variables=member.variables,
            system=member.system,
            model=member.model or self.given.model,
            tools=member.tools,
            answer=answer,
            person=member.person,
            crew=member.crew,
            max_tokens=member.max_tokens,
            temperature=member.temperature,
            max_iterations=member.max_iterations or (self.given.max_iterations if member.role is None else None),
            timeout_seconds=self.given.timeout_seconds,
            budget=self.given.budget,
            tenant=self.given.tenant,
            tags=self.given.tags,
            chain=chain,
            within=within,
        )
        try:
            child = await workflow.start_child_workflow(
                "agent",
                given,
                id=id,
                result_type=AgentResult,
                task_timeout=TASK_TIMEOUT,
                cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
                static_summary=f"{name}: {goal}"[:200],
            )
        except WorkflowAlreadyStartedError:
            raise TaskFailed(ID_TAKEN, f"a run with the id `{id}` is going on.", key) from None
        self.running[key] = child
        try:
            if self.paused():  # since it was asked for; only children that have begun are told
                await _tell(child, True)
            result: AgentResult = await child
            return result
        finally:
            del self.running[key]

    async def pause(self, paused: bool) -> None:
        for child in list(self.running.values()):
            await _tell(child, paused)


async def _tell(child: "workflow.ChildWorkflowHandle[Any, Any]", paused: bool) -> None:
    try:
        await child.signal(PAUSE, paused)
    except FailureError as error:
        if is_cancelled_exception(error):
            raise
        workflow.logger.info("%s has ended before it could be told: %s", child.id, error)
