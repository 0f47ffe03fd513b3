"""The sandbox as a tool's call sees it: `ToolCall.sandbox`."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from ..sandbox.aside import Fetch, gone, whole
from ..sandbox.result import SandboxResult
from ..sandbox.sandboxes import Sandboxes
from ..sandbox.spec import SandboxSpec
from ..sandbox.way_out import Connections, way_out
from ..secrets import NOTHING_HIDDEN, Veil
from .tool import ToolError


@dataclass(frozen=True)
class CallSandbox:
    sandboxes: Sandboxes
    key: str  # of the call
    tenant: str
    fetch: Fetch | None = None  # None: nothing is kept aside
    arguments: Callable[[], Veil] = Veil  # over the secrets that stand in them

    async def __call__(self, spec: SandboxSpec, *, once: bool = True, veil: Veil = NOTHING_HIDDEN) -> SandboxResult:
        key = f"tool/{self.key}" if once else None
        result = await self.sandboxes.run(spec, key, self.tenant, veil=self.arguments() | veil)
        result = await whole(result, self.fetch)
        for file in result.files:
            if file.is_aside:
                raise ToolError(gone(file))
        return result

    def way_out(self, host: str) -> AbstractAsyncContextManager[str]:
        key = f"tool/{self.key}/{host}"  # a call may have several, one for each host
        boxes = self.sandboxes
        return way_out((host,), key, boxes.private_hosts, Connections(key), boxes.bounds)
