"""The tools of an imported MCP server, as tools like any other."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from ..tool import Tool, ToolCall
from .json_schema import JsonSchema
from .mcp_origin import PinnedTool
from .mcp_result import result_of
from .mcp_session import McpSession
from .schema_tool import schema_tool


def mcp_tools(source: str, session: McpSession) -> Iterator[Tool]:
    for pinned in session.origin.tools:
        yield _tool(source, session, pinned)


def _tool(source: str, session: McpSession, pinned: PinnedTool) -> Tool:
    given = pinned.structured
    structure = cache(lambda: JsonSchema(given, f"{pinned.manifest.name}'s structure") if given else None)
    needed = session.origin.permissions

    async def run(call: ToolCall, arguments: dict[str, Any]) -> Any:
        return result_of(await session.call(pinned, arguments, call.key), structure())

    return schema_tool(pinned.manifest, run, source=source, needs=lambda _: needed, checks_output=False)
