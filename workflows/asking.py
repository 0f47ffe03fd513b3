"""How a workflow asks an agent: one activity, with the time-outs that make a killed worker cost seconds."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy

from ..activities.contracts import ASK_AGENT, AskInput, AskOutput
from ..actors.envelope import Priority

# The activity heartbeats every second; a worker that is silent for three is dead.
HEARTBEAT_TIMEOUT = timedelta(seconds=3)
RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=5))


async def ask(
    agent: str,
    message: str,
    body: dict[str, Any],
    *,
    timeout: timedelta,
    give_up: timedelta | None = None,
    priority: Priority = "normal",
    tenant: str = "default",
    title: str = "",
) -> AskOutput:
    """`timeout` is the agent's; until `give_up` the same message is asked again when nobody could answer."""
    result: AskOutput = await workflow.execute_activity(
        ASK_AGENT,
        AskInput(
            agent=agent,
            message=message,
            body=body,
            timeout_seconds=timeout.total_seconds(),
            priority=priority,
            tenant=tenant,
        ),
        result_type=AskOutput,
        start_to_close_timeout=timeout + timedelta(seconds=5),
        schedule_to_close_timeout=give_up or timeout * 10,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=RETRY,
        summary=f"{title}{': ' if title else ''}{message} → {agent}"[:200],
    )
    return result
