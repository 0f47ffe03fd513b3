"""What sandboxes of a run have written so far: Temporal shows the last heartbeat of each step that is under way.

To look costs the run nothing: neither a worker nor its history is asked.
"""

from temporalio.client import WorkflowExecutionDescription
from temporalio.converter import DataConverter

from ..activities.contracts import RUN_SANDBOX, SandboxProgress


async def live_output(execution: WorkflowExecutionDescription, converter: DataConverter) -> dict[str, SandboxProgress]:
    """By the key of the task."""
    found: dict[str, SandboxProgress] = {}
    for step in execution.raw_description.pending_activities:
        if step.activity_type.name == RUN_SANDBOX and step.heartbeat_details.payloads:
            (told,) = await converter.decode(list(step.heartbeat_details.payloads), [SandboxProgress])
            if told.task is not None:
                found[told.task] = told
    return found
