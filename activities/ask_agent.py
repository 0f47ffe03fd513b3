"""The activity `agent.ask`: a message to an agent as one durable step.

Its message id is derived from the step, not from the attempt. So when Temporal tries the step again, the agent
sees the same message again and gives the stored reply: the step has one effect however often it is tried.
"""

import asyncio
import json
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID, uuid5

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from ..actors.address import AgentAddress
from ..actors.envelope import Envelope, Priority, Replied
from ..actors.errors import Broken, Rejected, Unavailable
from ..actors.ids import at
from ..actors.message import Message, body_of, parse
from ..actors.models import ModelLost
from ..actors.tracing import carried
from .attempt import HEARTBEAT, is_called_off
from .contracts import ASK_AGENT, AskInput, AskOutput

STEP_IDS = UUID("5f0f4b3c-2a55-4b0e-9d0c-3f6f2a5c7e11")


class Agents(Protocol):
    """What this activity needs from above: somebody who can reach agents."""

    async def ask(self, envelope: Envelope) -> Replied:
        """Raises one of errors.py; tries again by itself until the envelope's deadline."""
        ...

    def cancel(self, envelope: Envelope) -> None:
        """Takes back what was asked."""
        ...


class AskAgent:
    def __init__(self, agents: Agents) -> None:
        self.agents = agents

    @activity.defn(name=ASK_AGENT)
    async def ask(self, request: AskInput) -> AskOutput:
        with told():
            message = parse(request.message, request.body)
            timeout = timedelta(seconds=request.timeout_seconds)
            reply = await asked(
                self.agents, request.agent, message, timeout, tenant=request.tenant, priority=request.priority
            )
        return AskOutput(message=reply.type, body=json.loads(reply.body) if reply.body is not None else None)


async def asked(
    agents: Agents,
    agent: str,
    message: Message,
    timeout: timedelta,
    *,
    tenant: str,
    priority: Priority = "normal",
    part: str = "",
) -> Replied:
    """Asks as the step that runs now: with the same id, however often the step is tried. What it asks besides has
    another one, by `part`."""
    structlog.contextvars.bind_contextvars(run=activity.info().workflow_id, agent=agent)
    AgentAddress.parse(agent)
    envelope = _envelope(agent, message, timeout, tenant, priority, part)
    try:
        return await _heartbeating(agents.ask(envelope))
    except asyncio.CancelledError:
        if await is_called_off():  # else the next attempt asks for the same reply
            agents.cancel(envelope)
        raise


@contextmanager
def told() -> Iterator[None]:
    """As Temporal is told: what is for good is not tried again, what has a time of its own not before it."""
    try:
        yield
    except (Rejected, Broken, ModelLost) as error:  # the last was asked again already, as often as settings allow
        raise ApplicationError(str(error), type=type(error).__name__, non_retryable=True) from None
    except Unavailable as error:
        raise ApplicationError(str(error), type=type(error).__name__, next_retry_delay=error.retry_after) from None


def _envelope(agent: str, message: Message, timeout: timedelta, tenant: str, priority: Priority, part: str) -> Envelope:
    step = activity.info()
    name = f"{step.namespace}/{step.workflow_id}/{step.workflow_run_id}/{step.activity_id}" + (
        f"/{part}" if part else ""
    )
    return Envelope(
        # The same however often the step is tried: what Temporal scheduled first is what it is named after.
        id=at(int(step.scheduled_time.timestamp() * 1000), uuid5(STEP_IDS, name).int),
        recipient=agent,
        sender=f"workflow:{step.workflow_id}",
        type=message.message_name,
        version=message.message_version,
        body=body_of(message),
        priority=priority,
        tenant=tenant,
        attempt=step.attempt,
        run=step.workflow_id,
        deadline=datetime.now(UTC) + timeout,
        trace=carried(),
    )


async def _heartbeating(work: Awaitable[Replied]) -> Replied:
    """Without heartbeats, Temporal learns of a killed worker only when the whole step times out."""
    task = asyncio.ensure_future(work)
    try:
        # The first one only when the answer takes that long: a heartbeat is a call to Temporal, and most need none.
        while not (await asyncio.wait({task}, timeout=HEARTBEAT.total_seconds()))[0]:
            activity.heartbeat()
        return task.result()
    finally:
        task.cancel()
