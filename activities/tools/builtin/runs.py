"""Tools that start and look after runs of flows: `run.start`, `run.show`, `run.list`, `run.output`, `run.cancel`.

A run's id is derived from the key of the call: however often the call is tried, one run is started. Only runs of the
caller's tenant are seen. Who starts a run needs what its steps will do, as if he did it himself.
"""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, Field, JsonValue

from ..manifest import Permission
from ..tool import StartsRuns, ToolCall, ToolError, tool
from .flow_needs import CAN, flow_needs

NOTHING: dict[str, Any] = {}

RunId = Annotated[str, Field(description="The run's id.", min_length=1, max_length=500)]


class Started(BaseModel):
    run: str = Field(description="the id of the run")


class Cancelling(BaseModel):
    run: str
    cancelling: bool = Field(description="it was asked to end, and undoes what its flow says first")


def _reads(arguments: Any) -> tuple[Permission, ...]:
    return (Permission(action="runs.read", on=arguments.run),)


def _controls(arguments: Any) -> tuple[Permission, ...]:
    return (Permission(action="runs.control", on=arguments.run),)


def _starts(arguments: Any) -> tuple[Permission, ...]:
    head = arguments.flow.get("flow")
    name = head.get("name") if isinstance(head, dict) else None
    return (Permission(action="runs.start", on=str(name or "*")), *flow_needs(arguments.flow))


@tool(
    "run.start",
    version="1.1.0",
    contract="keyed",
    permissions=("runs.start", *CAN),
    needs=_starts,
    danger="medium",
    tags=("flow", "workflow", "delegate"),
    keeps_references=True,
)
async def start(
    call: ToolCall,
    flow: Annotated[dict[str, JsonValue], Field(description="The flow's document, as in a *.flow.yaml file.")],
    inputs: Annotated[dict[str, JsonValue], Field(description="The flow's inputs.")] = NOTHING,
) -> Started:
    """Starts a run of a flow and does not wait for its end; run.show and run.output tell of it later."""
    return Started(run=await _runs(call).start(flow, inputs))


@tool(
    "run.show",
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("runs.read",),
    needs=_reads,
    tags=("flow", "status"),
)
async def show(call: ToolCall, run: RunId) -> dict[str, JsonValue]:
    """Shows where a run is: its status, its tasks and how they ended, the approvals that it waits for."""
    return await _runs(call).show(run)


@tool(
    "run.list",
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("runs.read",),
    tags=("flow", "status"),
)
async def list_runs(
    call: ToolCall,
    status: Annotated[
        str | None, Field(description="Only these: running, paused, waiting, completed, failed, cancelled, …")
    ] = None,
    most: Annotated[int, Field(description="How many are given at most.", ge=1, le=200)] = 20,
) -> list[dict[str, JsonValue]]:
    """Lists runs of flows, those that go on first, then the newest."""
    return await _runs(call).list(status, most)


@tool(
    "run.output",
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("runs.read",),
    needs=_reads,
    tags=("flow", "result"),
)
async def output(call: ToolCall, run: RunId) -> JsonValue:
    """Gives the output of a run that has ended well. Of any other it says how it stands."""
    found: JsonValue = await _runs(call).output(run)
    return found


@tool(
    "run.cancel",
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("runs.control",),
    needs=_controls,
    danger="medium",
    timeout=timedelta(seconds=30),
    tags=("flow", "stop"),
)
async def cancel(
    call: ToolCall, run: RunId, reason: Annotated[str, Field(description="Why, for the log.", max_length=500)] = ""
) -> Cancelling:
    """Asks a run to end. It cleans up as its flow says; run.show tells when it has ended."""
    await _runs(call).cancel(run, reason)
    return Cancelling(run=run, cancelling=True)


def _runs(call: ToolCall) -> StartsRuns:
    if call.runs is None:
        raise ToolError("no runs can be reached from here: call it where a worker runs.")
    return call.runs


TOOLS = (start, show, list_runs, output, cancel)
