"""Our tools, served by MCP with the official SDK: over standard input and output, or streamable HTTP."""

import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import mcp_types
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from pydantic import ValidationError
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .. import __version__
from ..activities.tools.tool import Tool
from ..actors.errors import Rejected, ResproutError, StackError
from .mcp_calls import Done, McpCalls
from .tool_sources import ToolSources

LOOPBACK = ("127.0.0.1", "::1", "localhost")
LONGEST_NAME = 60
ONLY_READ = {"files.read", "runs.read"}
INSTRUCTIONS = (
    "Tools of a Resprout stack. Each call is decided by policy and done durably. What needs a person to approve it "
    "says so, and the same call again gives its result once that was done."
)
Context = ServerRequestContext[Any, Any]


@dataclass(frozen=True)
class McpFront:
    calls: McpCalls
    sources: ToolSources
    patterns: Sequence[str] = ("*",)

    def server(self) -> Server[Any]:
        return Server(
            "resprout",
            version=__version__,
            instructions=INSTRUCTIONS,
            on_list_tools=self._list,
            on_call_tool=self._call,
        )

    async def serve_stdio(self) -> None:
        server = self.server()
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    async def serve_http(self, host: str, port: int, token: str | None, ready: Callable[[str], None]) -> None:
        """With a token, who does not bring it is turned away; without one, only this machine is served."""
        if token is None and host not in LOOPBACK:
            raise Rejected(f"{host} can be reached by others: say --token secret://NAME, which clients must bring.")
        app: ASGIApp = self.server().streamable_http_app(host=host)
        if token is not None:
            app = BearerOnly(app, token)
        server = Announced(uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False))
        server.ready = lambda: ready(f"http://{host}:{port}/mcp")
        try:
            await server.serve()
        except SystemExit:
            raise StackError(f"{host}:{port} cannot be listened on. Choose another --http HOST:PORT.") from None

    async def _list(
        self, context: Context, asked: mcp_types.PaginatedRequestParams | None
    ) -> mcp_types.ListToolsResult:
        await self.sources.refresh()
        return mcp_types.ListToolsResult(tools=[_shown(one) for one in self._served()])

    async def _call(self, context: Context, asked: mcp_types.CallToolRequestParams) -> mcp_types.CallToolResult:
        arguments = asked.arguments or {}
        try:
            await self.sources.look(asked.name)
            found = next((one for one in self._served() if one.name == asked.name), None)
            if found is None:
                raise Rejected(f"there is no tool {asked.name!r} here.")
            found.parse(arguments)  # told at once, and no run for it
            key = (context.meta or {}).get("resprout/idempotency-key")
            outcome = await self.calls.call(
                _client(context), asked.name, arguments, key if isinstance(key, str) else None
            )
        except (ResproutError, ValidationError) as error:
            return _said(str(error), is_error=True)
        return _given(outcome.output) if isinstance(outcome, Done) else _said(outcome.said, is_error=True)

    def _served(self) -> list[Tool]:
        newest = self.sources.toolbox.newest()
        return [one for one in newest if any(fnmatchcase(one.name, pattern) for pattern in self.patterns)]


def _shown(one: Tool) -> mcp_types.Tool:
    manifest = one.manifest
    return mcp_types.Tool(
        name=one.name,
        description=manifest.description,
        input_schema={"type": "object", **manifest.input},
        annotations=mcp_types.ToolAnnotations(
            read_only_hint=manifest.contract == "safe-to-retry" and ONLY_READ.issuperset(manifest.permissions),
            idempotent_hint=manifest.contract == "safe-to-retry",
            destructive_hint=manifest.danger in ("medium", "high"),
            open_world_hint="net.connect" in manifest.permissions or "process.start" in manifest.permissions,
        ),
    )


def _given(output: Any) -> mcp_types.CallToolResult:
    text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
    structured = output if isinstance(output, dict) else {"result": output}
    return mcp_types.CallToolResult(content=[mcp_types.TextContent(text=text)], structured_content=structured)


def _said(text: str, *, is_error: bool) -> mcp_types.CallToolResult:
    return mcp_types.CallToolResult(content=[mcp_types.TextContent(text=text)], is_error=is_error)


def _client(context: Context) -> str:
    """As it calls itself, in what a principal may be written with."""
    params = context.session.client_params
    name = params.client_info.name if params is not None and params.client_info is not None else "unknown"
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "-_.") else "-" for char in name)
    return plain[:LONGEST_NAME] or "unknown"


class Announced(uvicorn.Server):
    """uvicorn's server, which says when it accepts connections."""

    ready: Callable[[], None] = staticmethod(lambda: None)

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.ready()


class BearerOnly:
    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._wanted = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._wanted):
                refused = PlainTextResponse(
                    "bring the token: Authorization: Bearer …\n", 401, {"WWW-Authenticate": "Bearer"}
                )
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)
