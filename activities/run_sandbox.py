"""The activity `sandbox.run`: untrusted code as one durable step.

Its key is derived from the step, not from the attempt: tried again, it comes back to the run in flight or gets the
result on record. The code runs at most once.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from ..actors.errors import Broken, Rejected
from .contracts import RUN_SANDBOX, SandboxInput
from .sandbox.backend import NoSandbox
from .sandbox.result import SandboxResult
from .sandbox.sandboxes import Sandboxes

HEARTBEAT = timedelta(seconds=1)
SHOWN = 2_000  # characters of each stream, for who watches


@dataclass
class Tail:
    """The end of what was written so far; heartbeats carry it."""

    text: dict[str, str] = field(default_factory=lambda: {"stdout": "", "stderr": ""})

    def watch(self, stream: str, chunk: bytes) -> None:
        self.text[stream] = (self.text[stream] + chunk.decode(errors="replace"))[-SHOWN:]


class RunSandbox:
    def __init__(self, sandboxes: Sandboxes) -> None:
        self.sandboxes = sandboxes

    @activity.defn(name=RUN_SANDBOX)
    async def run(self, request: SandboxInput) -> SandboxResult:
        step = activity.info()
        structlog.contextvars.bind_contextvars(run=step.workflow_id)
        key = f"{step.namespace}/{step.workflow_id}/{step.workflow_run_id}/{step.activity_id}"
        tail = Tail()
        try:
            return await _heartbeating(self.sandboxes.run(request.spec, key, request.tenant, tail.watch), tail)
        except (Rejected, Broken, NoSandbox) as error:
            raise ApplicationError(str(error), type=type(error).__name__, non_retryable=True) from None


async def _heartbeating(work: Awaitable[SandboxResult], tail: Tail) -> SandboxResult:
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            activity.heartbeat(tail.text)
            await asyncio.wait({task}, timeout=HEARTBEAT.total_seconds())
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})  # what it started is gone, or is left alone on purpose
