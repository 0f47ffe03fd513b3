"""Calls of tools that come by MCP: each is a durable run like any other, followed for as long as the client waits.

The invariant: nothing happens here. Policy decides on the call in the worker, for the user in whose name this server
runs and for the client, as `service:mcp:NAME`; whichever may less counts. What a client says of its name is its own
claim, so it can take rights away and never give them.

A client that asks for the same again, while its call waits for a person, gets the same run and not another one.
"""

import asyncio
import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ..actors.errors import RunFailed
from . import identity
from .runs import RunRef, Runs
from .tool_flow import run_of_call

LOOK_EVERY = 0.5  # seconds; whether it waits for a person, only the run itself says
MOST_WAITING = 1_000


@dataclass(frozen=True)
class Done:
    output: Any


@dataclass(frozen=True)
class NotDone:
    """It failed, or it is not done yet; in words."""

    said: str


@dataclass
class McpCalls:
    runs: Runs
    patience: timedelta  # how long a client's call is kept open
    tenant: str = "default"
    waiting: OrderedDict[str, str] = field(default_factory=OrderedDict)  # a call → its run, which goes on

    async def call(self, client: str, tool: str, arguments: dict[str, Any], key: str | None) -> Done | NotDone:
        """`key`: of a client that tells its calls apart by one; the same key is the same run for ever."""
        chain = (identity.user(), f"service:mcp:{client}")
        given = run_of_call(tool, arguments, tenant=self.tenant, chain=chain, tags=("tool", "mcp"))
        same = _digest(client, tool, arguments, key)
        started = self.waiting.get(same)
        if started is not None:
            run = self.runs.get(started)
        else:
            run = await self.runs.start(given, f"mcp-{same[:24]}" if key else None, once=key is not None)
        return await self._followed(run, same)

    async def _followed(self, run: RunRef, same: str) -> Done | NotDone:
        result = asyncio.create_task(run.result())
        try:
            async with asyncio.timeout(self.patience.total_seconds()):
                while not (await asyncio.wait({result}, timeout=LOOK_EVERY))[0]:
                    asked = (await run.state())["approvals"]
                    if asked:
                        return self._keeps(same, run, _approval_in_words(run.id, asked))
        except TimeoutError:
            said = f"It goes on as the run {run.id}: call again with the same arguments to wait for it."
            return self._keeps(same, run, said)
        finally:
            result.cancel()
        self.waiting.pop(same, None)
        try:
            return Done(await result)
        except RunFailed as error:
            return NotDone(error.reason or str(error))

    def _keeps(self, same: str, run: RunRef, said: str) -> NotDone:
        self.waiting[same] = run.id
        if len(self.waiting) > MOST_WAITING:
            self.waiting.popitem(last=False)
        return NotDone(said)


def _approval_in_words(run: str, asked: list[dict[str, Any]]) -> str:
    first = asked[0]
    reasons = " ".join((first.get("show") or {}).get("reasons") or ())
    return (
        f"It waits for a person. {reasons} Somebody answers with `resprout approvals approve {run}` or `resprout "
        f"approvals reject {run}`; then call again with the same arguments for the result."
    )


def _digest(client: str, tool: str, arguments: dict[str, Any], key: str | None) -> str:
    said = json.dumps([client, tool, arguments, key], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()
