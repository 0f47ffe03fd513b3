"""Calls of tools as the pipeline makes them, without the pipeline: real sandboxes, a workspace, arguments as JSON."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from resprout.activities.sandbox.process.sandbox import ProcessSandbox
from resprout.activities.sandbox.sandboxes import Sandboxes
from resprout.activities.tools.run_sandbox import CallSandbox
from resprout.activities.tools.tool import Tool, ToolCall
from resprout.actors.errors import Rejected


class NoSecrets:
    def value(self, name: str) -> str:
        raise Rejected(f"there is no secret {name}.")


@dataclass(frozen=True)
class Hands:
    """Who calls tools in one workspace."""

    call: ToolCall

    async def use(self, tool: Tool, **arguments: Any) -> Any:
        return await self.use_by(uuid4().hex, tool, **arguments)

    async def use_by(self, key: str, tool: Tool, **arguments: Any) -> Any:
        """With a key of its own, to try the same call again."""
        parsed = tool.parse(arguments)
        tool.needs(parsed)
        return await tool.run(replace(self.call, key=key), parsed)

    def needs(self, tool: Tool, **arguments: Any) -> list[str]:
        return [str(permission) for permission in tool.needs(tool.parse(arguments))]

    @property
    def workspace(self) -> Path:
        return self.call.workspace

    def put(self, path: str, content: str | bytes) -> str:
        file = self.workspace / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def text(self, path: str) -> str:
        return (self.workspace / path).read_text()


def hands(workspace: Path, **more: Any) -> Hands:
    return Hands(ToolCall(uuid4().hex, "default", "agent:tester/ada", workspace, **more))


@asynccontextmanager
async def sandboxed(workspace: Path, *private_hosts: str) -> AsyncIterator[Hands]:
    backend = ProcessSandbox()
    boxes = Sandboxes({"process": backend}, NoSecrets(), "process", private_hosts=private_hosts)
    try:
        yield hands(workspace, sandbox=CallSandbox(boxes, uuid4().hex, "default"))
    finally:
        await backend.close()
