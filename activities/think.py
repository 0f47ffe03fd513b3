"""The activities of an agent run: to begin in a conversation, to decide what is next, to leave it.

Each is one message to the brain, with an id that is the step's: however often the step is tried, the brain decides
once. What tools gave is brought from where it is kept, so that it is in the conversation and not in the history.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from temporalio import activity
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from ..actors.brain import Begin, Begun, Compact, Compacted, Decide, Leave, Move
from ..actors.errors import Broken
from ..actors.message import Message, parse_stored
from .ask_agent import Agents, asked, told
from .contracts import (
    BEGIN_THINKING,
    COMPACT,
    DECIDE,
    END_THINKING,
    BeginInput,
    BeginOutput,
    DecideInput,
    LeaveInput,
    Thinking,
)
from .results_aside import Fetch, brought_back
from .settle import Settled

Reply = TypeVar("Reply", bound=Message)

SOON = timedelta(seconds=30)


@dataclass(frozen=True)
class Think:
    agents: Agents
    settle: Callable[[BeginInput], Awaitable[Settled]]
    fetch: Fetch

    @activity.defn(name=BEGIN_THINKING)
    async def begin(self, request: BeginInput) -> BeginOutput:
        with told():
            settled = await self.settle(request)
            message = Begin(run=request.run, goal=settled.goal, setting=settled.setting, role=request.role)
            begun = await self._ask(request, message, Begun, SOON)
            if begun.taken_by is not None and await _is_over(begun.taken_by):
                instead = message.model_copy(update={"instead_of": begun.taken_by})
                begun = await self._ask(request, instead, Begun, SOON, part=f"instead of {begun.taken_by}")
        return BeginOutput(
            taken_by=begun.taken_by,
            tools=settled.tools,
            model=settled.setting.model,
            max_iterations=settled.max_iterations,
        )

    @activity.defn(name=DECIDE)
    async def decide(self, request: DecideInput) -> Move:
        with told():
            heard = await brought_back(request.heard, self.fetch)
            message = Decide(
                run=request.run, step=request.step, heard=heard, budget=request.budget, tenant=request.tenant
            )
            return await self._ask(request, message, Move, timedelta(seconds=request.timeout_seconds))

    @activity.defn(name=COMPACT)
    async def compact(self, request: DecideInput) -> Compacted:
        with told():
            message = Compact(run=request.run, step=request.step, budget=request.budget, tenant=request.tenant)
            return await self._ask(request, message, Compacted, timedelta(seconds=request.timeout_seconds))

    @activity.defn(name=END_THINKING)
    async def leave(self, request: LeaveInput) -> None:
        with told():
            heard, again = [await brought_back(one, self.fetch) for one in (request.heard, request.again)]
            message = Leave(run=request.run, heard=heard, again=again, step=request.step)
            await asked(self.agents, request.agent, message, SOON, tenant=request.tenant)

    async def _ask(
        self, request: Thinking, message: Message, kind: type[Reply], timeout: timedelta, part: str = ""
    ) -> Reply:
        reply = await asked(self.agents, request.agent, message, timeout, tenant=request.tenant, part=part)
        answer = parse_stored(reply.type, reply.version, reply.body or "{}") if reply.type is not None else None
        if not isinstance(answer, kind):
            raise Broken(f"{request.agent} answered `{message.message_name}` by `{reply.type}`.")
        return answer


async def _is_over(run: str) -> bool:
    """A run that was terminated says no goodbye. Of the histories of one run, the last one tells."""
    workflow_id, _, first = run.rpartition("@")
    try:
        found = await activity.client().get_workflow_handle(workflow_id).describe(rpc_timeout=SOON)
    except RPCError as error:
        return error.status is RPCStatusCode.NOT_FOUND  # who cannot be asked may go on
    if found.raw_description.workflow_execution_info.first_run_id != first:
        return True  # another run has the id now
    return found.status is not WorkflowExecutionStatus.RUNNING
