"""The names, inputs and outputs of our activities: all that a workflow may know of them."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ..actors.envelope import Priority
from .sandbox.spec import SandboxSpec

ASK_AGENT = "agent.ask"
ROUTE_TASK = "task.route"
RUN_SANDBOX = "sandbox.run"


class AskInput(BaseModel):
    model_config = ConfigDict(extra="forbid")

    agent: str = Field(description="the agent's address, kind/key")
    message: str = Field(description="name of the message type")
    body: dict[str, Any] = {}
    timeout_seconds: float = Field(default=60.0, gt=0, le=86_400)
    priority: Priority = "normal"
    tenant: str = "default"


class AskOutput(BaseModel):
    message: str | None = Field(description="name of the reply's type, None when there is no reply")
    body: dict[str, Any] | None


class SandboxInput(BaseModel):
    model_config = ConfigDict(extra="forbid")

    spec: SandboxSpec
    tenant: str = "default"
    task: str | None = Field(default=None, description="key of the task in its run, for who watches the output")


class OutputTail(BaseModel):
    text: str = Field(description="the last characters that were written so far")
    end: int = Field(description="how many characters were written so far")


class SandboxProgress(BaseModel):
    """What a heartbeat of `sandbox.run` carries."""

    task: str | None
    stdout: OutputTail
    stderr: OutputTail


class RouteInput(BaseModel):
    model_config = ConfigDict(extra="forbid")

    capability: str
    avoid: tuple[str, ...] = Field(default=(), description="agents that have failed at it")


class RouteOutput(BaseModel):
    agent: str = Field(description="the agent's address, kind/key")
