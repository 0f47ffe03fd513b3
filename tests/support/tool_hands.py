"""Calls of tools as the pipeline makes them, without the pipeline: a workspace, arguments as JSON."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from resprout.activities.tools.tool import Tool, ToolCall


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


def hands_in(workspace: Path) -> Hands:
    return Hands(ToolCall(uuid4().hex, "default", "agent:tester/ada", workspace))
