"""The workflow `task`: one job for whoever can do it, without a flow.

Its life: pending, then for each attempt routing (who can do it?) and executing (the agent is asked); in the end
completed, or dead-lettered when its attempts ran out, or failed when trying again cannot help, or cancelled. The
search attribute ResproutStatus says where it is, so that lists and counts need no worker.

Each attempt is a message of its own: what an attempt that was not answered in time did after all stays done.
"""

import asyncio
from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator
from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

from ..activities.contracts import ROUTE_TASK, AskOutput, RouteInput, RouteOutput
from ..actors.address import AgentAddress
from ..actors.envelope import Priority
from ..actors.errors import BadAddress
from . import search_attributes
from .asking import RETRY, ask
from .interpreter.failures import HOPELESS, TaskFailed, failure_of
from .interpreter.run_input import nothing, refuse_nothing

Status = Literal["pending", "routing", "executing", "completed", "failed", "cancelled", "dead-lettered"]
DEAD_LETTERED = "DeadLettered"  # the failure type of a task whose attempts ran out
MEMO = "resprout-task"  # under which lists find what the task is about

ROUTING_TIMEOUT = timedelta(seconds=10)
FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=1)
# On top of the time that the agent has: a killed worker or host is replaced within it.
RECOVERY = timedelta(seconds=30)


class TaskInput(BaseModel):
    model_config = ConfigDict(extra="forbid")

    capability: str | None = Field(default=None, min_length=1, description="what an agent must be able to do")
    agent: str | None = Field(default=None, min_length=1, description="instead: the agent, kind/key")
    message: str = Field(min_length=1, description="name of the message type")
    body: dict[str, JsonValue] = {}
    retries: int = Field(default=3, ge=0, le=100, description="attempts after the first")
    timeout_seconds: float = Field(default=60.0, gt=0, le=86_400, description="for each attempt")
    priority: Priority = "normal"
    tenant: str = "default"
    replays: int = Field(default=0, ge=0, description="how often it was taken up again after it was dead-lettered")

    @field_validator("agent")
    @classmethod
    def _is_an_address(cls, agent: str | None) -> str | None:
        try:
            return str(AgentAddress.parse(agent)) if agent is not None else None
        except BadAddress as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _has_one_aim(self) -> "TaskInput":
        if (self.capability is None) == (self.agent is None):
            raise ValueError("give a capability or an agent, and not both")
        return self

    @property
    def aim(self) -> str:
        return self.agent or f"who can {self.capability}"


NO_INPUT = nothing(TaskInput)


@workflow.defn(name="task")
class Task:
    @workflow.init
    def __init__(self, given: TaskInput = NO_INPUT) -> None:
        refuse_nothing(given)
        self.given = given
        self.status: Status = "pending"
        self.attempt = 0
        self.agent: str | None = None
        self.errors: list[dict[str, Any]] = []  # of each attempt that failed

    @workflow.run
    async def run(self, given: TaskInput = NO_INPUT) -> dict[str, JsonValue] | None:
        """The body of the agent's reply."""
        search_attributes.introduce_task(given.tenant, self.status)
        workflow.upsert_memo({MEMO: {"aim": given.aim, "message": given.message}})
        try:
            return await self._attempts()
        except (asyncio.CancelledError, FailureError) as error:
            if is_cancelled_exception(error):
                self._say("cancelled")
            raise

    async def _attempts(self) -> dict[str, JsonValue] | None:
        while True:
            self.attempt += 1
            try:
                reply = await self._once()
            except ActivityError as error:
                if is_cancelled_exception(error):
                    raise
                await self._failed(failure_of(error, self.given.message))
            else:
                self._say("completed")
                return reply.body

    async def _once(self) -> AskOutput:
        self._say("routing")
        self.agent = self.given.agent or await self._route(self.given.capability or "")
        self._say("executing")
        timeout = timedelta(seconds=self.given.timeout_seconds)
        return await ask(
            self.agent,
            self.given.message,
            self.given.body,
            timeout=timeout,
            give_up=timeout + RECOVERY,
            priority=self.given.priority,
            tenant=self.given.tenant,
        )

    async def _route(self, capability: str) -> str:
        """An agent that has not failed at this task yet, if there is one."""
        found: RouteOutput = await workflow.execute_activity(
            ROUTE_TASK,
            RouteInput(capability=capability, avoid=tuple(one["agent"] for one in self.errors if one["agent"])),
            result_type=RouteOutput,
            start_to_close_timeout=ROUTING_TIMEOUT,
            schedule_to_close_timeout=RECOVERY,
            retry_policy=RETRY,
            summary=f"who can {capability}",
        )
        return found.agent

    async def _failed(self, failure: TaskFailed) -> None:
        """Returns when it is time to try again; raises when it is not tried again."""
        self.errors.append({"attempt": self.attempt, "agent": self.agent, **failure.as_json()})
        said = f"attempt {self.attempt} failed ({failure.type}): {failure.message}"
        if failure.type in HOPELESS:
            self._say("failed")
            raise ApplicationError(said, failure.as_json(), type=failure.type, non_retryable=True) from None
        if self.attempt > self.given.retries:
            self._say("dead-lettered")
            raise ApplicationError(said, failure.as_json(), type=DEAD_LETTERED, non_retryable=True) from None
        self.agent = None
        self._say("pending")
        await workflow.sleep(min(FIRST_PAUSE * 2 ** (self.attempt - 1), LONGEST_PAUSE), summary=said[:200])

    def _say(self, status: Status) -> None:
        self.status = status
        search_attributes.say(status)

    @workflow.query
    def state(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "aim": self.given.aim,
            "message": self.given.message,
            "attempt": self.attempt,
            "attempts": self.given.retries + 1,
            "agent": self.agent,
            "errors": self.errors,
        }
