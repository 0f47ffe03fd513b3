"""The sandbox as a tool's call sees it: `ToolCall.sandbox`."""

import base64
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from ..sandbox.result import ResultFile, SandboxResult
from ..sandbox.sandboxes import Sandboxes
from ..sandbox.spec import SandboxSpec
from ..sandbox.way_out import Connections, way_out
from ..secrets import NOTHING_HIDDEN, Veil
from .tool import ToolError

Fetch = Callable[[Sequence[bytes]], Awaitable[Sequence[bytes | None]]]  # what is kept aside, by its hashes


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
        aside = [file for file in result.files if file.is_aside]
        if not aside:
            return result
        contents = await self.fetch([bytes.fromhex(file.sha256) for file in aside]) if self.fetch is not None else []
        found = {file.path: content for file, content in zip(aside, contents, strict=True)} if contents else {}
        return result.model_copy(update={"files": tuple(_whole(file, found) for file in result.files)})

    def way_out(self, host: str) -> AbstractAsyncContextManager[str]:
        key = f"tool/{self.key}"
        boxes = self.sandboxes
        return way_out((host,), key, boxes.private_hosts, Connections(key), boxes.bounds)


def _whole(file: ResultFile, found: dict[str, bytes | None]) -> ResultFile:
    if not file.is_aside:
        return file
    content = found.get(file.path)
    if content is None:
        raise ToolError(f"the content of `{file.path}` is not kept any more: run it again under a new key.")
    return file.model_copy(update={"base64": base64.b64encode(content).decode()})
