"""The session of a process with one MCP server: opened when it is first needed, and again when it was lost.

The rules, and why:

- Before a call, the tools are listed anew when they were not for a while, when the server said that they changed, and
  when a call was given up: that finds a tool that is not what was imported, and a server that hangs. While another call
  is in flight, a server that does not list is taken for busy, not for dead.
- When the connection ends in the middle of a call, the server may have done it: that is told as `Lost`, and the
  tool's contract says what it means. Before anything was sent, it is `NotThere`.

Weak: a server that shows one description to whoever lists and acts by another is not found out by anybody.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import mcp_types

from ....actors.errors import Rejected
from ...secrets import KnowsSecrets
from ..secrets import Secrets
from .mcp_connection import Connection, NotThere, Use
from .mcp_origin import McpOrigin, PinnedTool


class McpSession:
    def __init__(
        self, name: str, origin: McpOrigin, secrets: KnowsSecrets, changed: asyncio.Event | None = None
    ) -> None:
        self.name = name
        self.origin = origin
        self._changed = changed or asyncio.Event()  # set when it is opened or closed
        self._secrets = Secrets(secrets)
        self._opening = asyncio.Lock()
        self._connection: Connection | None = None
        self._calls = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def use(self) -> Use | None:
        """None: it is not open now."""
        connection = self._connection
        return connection.use if connection is not None and connection.is_open else None

    async def call(self, tool: PinnedTool, arguments: Mapping[str, Any], key: str) -> mcp_types.CallToolResult:
        self._calls += 1
        self._idle.clear()
        try:
            connection = await self._checked()
            connection.refuse_changed(tool)
            return await connection.call(tool, arguments, key)
        finally:
            self._calls -= 1
            if self._calls == 0:
                self._idle.set()

    async def tools(self) -> list[mcp_types.Tool]:
        return (await self._checked()).listed

    async def server(self) -> mcp_types.Implementation | None:
        return (await self._checked()).client.server_info

    async def retire(self) -> None:
        """Closes it when its last call has ended: who imports anew does not put calls in doubt."""
        await self._idle.wait()
        await self.close()

    async def close(self) -> None:
        async with self._opening:
            await self._end()

    async def _end(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
            self._changed.set()

    async def _checked(self) -> Connection:
        """A connection that works, with a list of tools that is fresh."""
        async with self._opening:
            if self._connection is not None and not await self._connection.is_well(is_busy=self._calls > 1):
                await self._end()
            if self._connection is None:
                self._connection = await self._open()
                self._changed.set()
            return self._connection

    async def _open(self) -> Connection:
        origin = self.origin
        try:
            revealed = self._secrets.revealed({"env": origin.env, "headers": origin.headers})
        except Rejected as error:
            raise NotThere(f"the MCP server {self.name}: {error}") from None
        connection = Connection(self.name, origin, revealed)
        try:
            await connection.open()
        except BaseException:
            await connection.close()
            raise
        return connection
