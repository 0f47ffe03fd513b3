"""Makes the tools of a source from outside of what is kept of it; nobody is asked for that, and nothing is started.

What speaks MCP is a third of what a worker would load as it starts, and few have such a source: it is loaded with the
first, so that a worker which takes the place of a killed one is there sooner.
"""

import asyncio
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ....actors.errors import Broken
from ...secrets import KnowsSecrets
from ..tool import Tool
from .openapi_call import openapi_tools
from .openapi_origin import OpenApiOrigin
from .tool_file import ToolFile, file_tool

if TYPE_CHECKING:
    from .mcp_connection import Use
    from .mcp_session import McpSession

Origin = dict[str, Any]


@dataclass
class Outside:
    """What this process has open to the outside, by source."""

    secrets: KnowsSecrets
    sessions: "dict[str, McpSession]" = field(default_factory=dict)
    retired: "dict[McpSession, asyncio.Task[None]]" = field(default_factory=dict)  # with calls that go on
    changed: asyncio.Event = field(default_factory=asyncio.Event)  # set when a session is opened or closed

    async def tools(self, source: str, kind: str, origin: Origin) -> list[Tool]:
        """As it is now: what was open to it as it was before is closed when its calls have ended."""
        self.leave(source)
        try:
            match kind:
                case "mcp":
                    return await self._by_mcp(source, origin)
                case "openapi":
                    return list(openapi_tools(source, OpenApiOrigin.model_validate(origin), self.secrets))
                case "manifest":
                    return [file_tool(ToolFile.model_validate(one), source) for one in origin["tools"]]
                case _:
                    raise Broken(f"{source} is of the kind {kind!r}, which this version does not know: update it.")
        except ValidationError as error:
            said = error.errors(include_url=False, include_input=False)[0]["msg"]
            raise Broken(f"what is kept of {source} cannot be read ({said}): import it anew.") from None

    async def _by_mcp(self, source: str, origin: Origin) -> list[Tool]:
        # In a thread: it takes long, and who shares this loop goes on meanwhile.
        await asyncio.to_thread(import_module, ".mcp_tools", __package__)
        from .mcp_origin import McpOrigin
        from .mcp_session import McpSession
        from .mcp_tools import mcp_tools

        session = McpSession(source.partition(":")[2], McpOrigin.model_validate(origin), self.secrets, self.changed)
        self.sessions[source] = session
        return list(mcp_tools(source, session))

    def open_sessions(self) -> "list[tuple[str, Use]]":
        """By source, with those that only end their last calls."""
        every = [*self.sessions.values(), *self.retired]
        return [(f"mcp:{one.name}", use) for one in every if (use := one.use) is not None]

    def leave(self, source: str) -> None:
        session = self.sessions.pop(source, None)
        if session is not None:
            self.retired[session] = retiring = asyncio.create_task(session.retire())
            retiring.add_done_callback(lambda _: self.retired.pop(session, None))

    async def close(self) -> None:
        """At once, all of them."""
        open_sessions = [*self.sessions.values(), *self.retired]
        for retiring in list(self.retired.values()):
            retiring.cancel()
        self.sessions.clear()
        await asyncio.gather(*(session.close() for session in open_sessions))
