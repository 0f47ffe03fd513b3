"""One connection to an MCP server, from its opening to its end; who opens another when it is lost is the session.

One task owns it from beginning to end, because what the SDK opens must be closed by the task that opened it. Calls come
from other tasks and only send and wait.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

import anyio
import mcp_types
from mcp import Client, MCPError
from pydantic import TypeAdapter, ValidationError

from .... import __version__
from ....actors.errors import Broken, OutcomeUnknown
from ..secrets import Revealed
from ..tool import ToolError
from .mcp_origin import McpOrigin, PinnedTool, pin_of
from .mcp_stdio import Program, program
from .mcp_web import endpoint

OPENING = 30  # seconds
LISTING = 10
TRUSTED = 30  # seconds for which a list of tools is taken as still true
MOST_TOOLS = 1_000
LEAVING = 10

Answer = mcp_types.CallToolResult | mcp_types.InputRequiredResult
ANSWER: TypeAdapter[Answer] = TypeAdapter(cast(type[Answer], Answer))


class NotThere(ToolError):
    """The server could not be reached, or not started: nothing was done."""


class Lost(OutcomeUnknown):
    """The server went away in the middle of a call."""


class Changed(ToolError):
    """The server's tool is not the one that was imported."""


@dataclass
class Use:
    """What a connection was used for, for those who look."""

    id: UUID
    place: str
    opened_at: datetime
    calls: int = 0  # that were begun
    called_at: datetime | None = None

    def count(self) -> None:
        self.calls += 1
        self.called_at = datetime.now(UTC)


class Connection:
    def __init__(self, name: str, origin: McpOrigin, revealed: Revealed) -> None:
        self.name = name
        self.origin = origin
        self.program = Program()
        self.listed: list[mcp_types.Tool] = []
        self._revealed = revealed
        self._opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._ending = asyncio.Event()
        self._owner = asyncio.create_task(self._own(), name=f"mcp {name}")
        self._is_lost = False
        self._listed_at: float | None = None  # None: it must be listed before anything is called
        self.use = Use(uuid4(), origin.where, datetime.now(UTC))

    @property
    def is_open(self) -> bool:
        has_opened = self._opened.done() and not self._opened.cancelled() and self._opened.exception() is None
        return has_opened and not self._is_lost and not self.program.ended.is_set()

    @property
    def client(self) -> Client:
        return self._opened.result()

    # Its life.

    async def open(self) -> None:
        try:
            async with asyncio.timeout(OPENING):
                await asyncio.shield(self._opened)
                await self._list()
        except TimeoutError:
            raise NotThere(self._said("it does not answer as an MCP server does")) from None

    async def close(self) -> None:
        self._ending.set()
        await asyncio.wait({self._owner}, timeout=LEAVING)
        if not self._owner.done():
            self._owner.cancel()
            await asyncio.wait({self._owner})
        if self._opened.done() and not self._opened.cancelled():
            self._opened.exception()  # it was told, or nobody asks any more

    async def _own(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                self._opened.set_result(await stack.enter_async_context(self._client()))
                await self._ending.wait()
        except Exception as error:  # noqa: BLE001 - whatever it was, there is no connection, and that is told
            if not self._opened.done():
                self._opened.set_exception(NotThere(self._said(_reason(error))))
        finally:
            self._is_lost = True
            if not self._opened.done():
                self._opened.cancel()

    def _client(self) -> Client:
        origin, given = self.origin, self._revealed.arguments
        transport = (
            program(origin.command, given["env"], origin.directory, self.program)
            if origin.url is None
            else endpoint(origin.url, given["headers"])
        )
        return Client(
            transport,
            client_info=mcp_types.Implementation(name="resprout", version=__version__),
            message_handler=self._hear,
            cache=None,
        )

    async def _hear(self, message: Any) -> None:
        if isinstance(message, mcp_types.ToolListChangedNotification):
            self._listed_at = None

    # Its tools.

    async def is_well(self, *, is_busy: bool) -> bool:
        """One that is busy with a call may do one thing at a time: then its silence says nothing."""
        if self._is_lost or self.program.ended.is_set():
            return False
        if self._listed_at is not None and time.monotonic() - self._listed_at < TRUSTED:
            return True
        try:
            async with asyncio.timeout(LISTING):
                await self._list()
        except (ToolError, TimeoutError):
            return is_busy and not self._is_lost and not self.program.ended.is_set()
        return True

    async def _list(self) -> None:
        began = time.monotonic()
        listed: list[mcp_types.Tool] = []
        cursor = None
        try:
            while True:
                page = await self.client.list_tools(cursor=cursor)
                listed += page.tools
                cursor = page.next_cursor
                if cursor is None or len(listed) > MOST_TOOLS:
                    break
        except (MCPError, ValidationError, anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            raise NotThere(self._said(f"it does not list its tools ({_reason(error)})")) from None
        if len(listed) > MOST_TOOLS:
            raise NotThere(self._said(f"it has more than {MOST_TOOLS:,} tools"))
        self.listed, self._listed_at = listed, began

    def refuse_changed(self, tool: PinnedTool) -> None:
        now = next((one for one in self.listed if one.name == tool.theirs), None)
        if now is not None and pin_of(now) == tool.pin:
            return
        said = "does not exist any more" if now is None else "has another description or schema than when imported"
        raise Changed(
            f"{tool.manifest.name} {said}: the MCP server {self.name} has changed. Look at what it says now and import "
            f"it anew, with `{self.origin.importing(self.name)}`."
        )

    # A call.

    async def call(self, tool: PinnedTool, arguments: Mapping[str, Any], key: str) -> mcp_types.CallToolResult:
        wanted = mcp_types.CallToolRequestParams(
            name=tool.theirs,
            arguments=dict(arguments),
            _meta={"resprout/idempotency-key": key},
        )
        self.use.count()
        try:
            # Not `call_tool`, which checks the result against a schema of the server's without any bound.
            answer = await self.client.session.send_request(mcp_types.CallToolRequest(params=wanted), ANSWER)
        except asyncio.CancelledError:
            self._listed_at = None  # the next call looks first whether it still answers
            raise
        except MCPError as error:
            raise self._failure(error, tool) from None
        except ValidationError:
            raise Broken(self._said(f"what it answers to {tool.theirs} is no result of a tool")) from None
        except (anyio.ClosedResourceError, anyio.BrokenResourceError, OSError):
            raise self._lost(tool) from None
        if isinstance(answer, mcp_types.InputRequiredResult):
            raise ToolError(self._said(f"{tool.theirs} asks back, and nobody is there to answer"))
        return self._hidden(answer)

    def _hidden(self, answer: mcp_types.CallToolResult) -> mcp_types.CallToolResult:
        """A server that echoes its own secrets gives them to nobody."""
        said = answer.model_dump(mode="json", by_alias=True)
        hidden = self._revealed.hidden(said)
        return answer if hidden == said else mcp_types.CallToolResult.model_validate(hidden)

    def _failure(self, error: MCPError, tool: PinnedTool) -> Exception:
        if error.code == mcp_types.CONNECTION_CLOSED or self.program.ended.is_set():
            return self._lost(tool)
        if error.code in (mcp_types.INVALID_PARAMS, mcp_types.METHOD_NOT_FOUND, mcp_types.INVALID_REQUEST):
            return ToolError(self._said(f"it refuses {tool.theirs}: {error.message[:1_000]}"))
        return Broken(self._said(f"{tool.theirs} failed: {error.message[:1_000]}"))

    def _lost(self, tool: PinnedTool) -> Lost:
        self._is_lost = True
        return Lost(self._said(f"it went away while it did {tool.theirs}"))

    def _said(self, what: str) -> str:
        last = self.program.last_words
        said = f"the MCP server {self.name} ({self.origin.where}): {what}{f' ({last})' if last else ''}."
        return str(self._revealed.hidden(said))


def _reason(error: BaseException) -> str:
    """Of what the SDK raises in groups, the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case FileNotFoundError():
            return f"there is no program {error.filename}"
        case MCPError():
            return error.message[:500]
        case _:
            return str(error)[:500] or type(error).__name__
