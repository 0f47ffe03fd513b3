"""The activity `sandbox.run`: untrusted code as one durable step.

Its key is derived from the step, not from the attempt: tried again, it comes back to the run in flight or gets the
result on record. The code runs at most once.
"""

from codecs import getincrementaldecoder

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from ..actors.errors import Broken, Rejected
from .attempt import Attempt
from .contracts import RUN_SANDBOX, OutputTail, SandboxInput, SandboxProgress
from .sandbox.backend import NoSandbox
from .sandbox.result import SandboxResult
from .sandbox.sandboxes import Sandboxes

SHOWN = 2_000  # characters of each stream, for who watches


class Tail:
    """The end of one stream. A character may come in two pieces."""

    def __init__(self) -> None:
        self.text, self.end = "", 0
        self._decoder = getincrementaldecoder("utf-8")(errors="replace")

    def add(self, chunk: bytes) -> None:
        fresh = self._decoder.decode(chunk)
        self.text, self.end = (self.text + fresh)[-SHOWN:], self.end + len(fresh)

    def told(self) -> OutputTail:
        return OutputTail(text=self.text, end=self.end)


class Progress:
    """The ends of both streams so far; heartbeats carry them."""

    def __init__(self, task: str | None) -> None:
        self.task = task
        self.tails = {"stdout": Tail(), "stderr": Tail()}

    def watch(self, stream: str, chunk: bytes) -> None:
        self.tails[stream].add(chunk)

    def told(self) -> SandboxProgress:
        return SandboxProgress(task=self.task, **{stream: tail.told() for stream, tail in self.tails.items()})


class RunSandbox:
    def __init__(self, sandboxes: Sandboxes) -> None:
        self.sandboxes = sandboxes

    @activity.defn(name=RUN_SANDBOX)
    async def run(self, request: SandboxInput) -> SandboxResult:
        step = activity.info()
        structlog.contextvars.bind_contextvars(run=step.workflow_id)
        key = f"{step.namespace}/{step.workflow_id}/{step.workflow_run_id}/{step.activity_id}"
        progress = Progress(request.task)
        work = self.sandboxes.run(request.spec, key, request.tenant, progress.watch)
        try:
            return await Attempt().until_done(work, lambda: (progress.told(),))
        except (Rejected, Broken, NoSandbox) as error:
            raise ApplicationError(str(error), type=type(error).__name__, non_retryable=True) from None
