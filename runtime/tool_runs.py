"""Runs of flows as a tool's call sees them: `ToolCall.runs`.

The invariant: runs of another tenant do not exist for it. A run that it starts has an id derived from the call's key,
which is never free again, so that the call, tried again, finds its run; and it acts for all for whom the call acts, so
that it may do no more than they.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ..activities.tools.tool import ToolError
from ..actors.errors import NotFound, RunFailed
from ..actors.logger import get_logger
from ..workflows.flow import freeze_document
from . import run_rows
from .flow_start import frozen_of, run_input
from .run_rows import RunRow
from .runs import FLOW, RunRef, Runs

log = get_logger("resprout.tools")


@dataclass(frozen=True)
class CallRuns:
    runs: Callable[[], Awaitable[Runs]]
    key: str  # of the call
    tenant: str
    chain: tuple[str, ...]  # on whose behalf, whose will it is first

    async def start(self, flow: dict[str, Any], inputs: dict[str, Any]) -> str:
        given = run_input(
            frozen_of(freeze_document(flow, _no_files, "flow")), inputs, tenant=self.tenant, chain=self.chain
        )
        name = f"{given.name}-{sha256(self.key.encode()).hexdigest()[:16]}"
        return (await (await self.runs()).start(given, name, once=True)).id

    async def show(self, run: str) -> dict[str, Any]:
        ref, row = await self._find(run)
        return {**await ref.state(), **row.as_json()}

    async def list(self, status: str | None, limit: int) -> list[dict[str, Any]]:
        query = run_rows.query(statuses=[status] if status else [], tenant=self.tenant)
        return [row.as_json() for row in await (await self.runs()).list(query, limit=limit)]

    async def cancel(self, run: str, reason: str) -> None:
        ref, row = await self._find(run)
        if not row.is_open:
            raise ToolError(f"the run {run} has ended already: it is {row.status}.")
        log.info("run cancelled by a tool", run=run, principal=self.chain[-1], reason=reason)
        await ref.cancel()

    async def output(self, run: str) -> Any:
        ref, row = await self._find(run)
        if row.is_open:
            raise ToolError(f"the run {run} is {row.status} and has no output yet: ask again when it has ended.")
        try:
            return await ref.result()
        except RunFailed as error:
            raise ToolError(str(error)) from None

    async def _find(self, run: str) -> tuple[RunRef, RunRow]:
        ref = (await self.runs()).get(run)
        nobodys = NotFound(f"there is no run {run}: list them with run.list.")
        try:
            row = await ref.describe()
        except NotFound:  # whose text may name a run of somebody else that is called like it
            raise nobodys from None
        # What it was started with: in the lists of Temporal its tenant stands only when it has begun.
        if row.kind != FLOW or (await ref.given()).tenant != self.tenant:
            raise nobodys
        return ref, row


def _no_files(path: str) -> tuple[str, str]:
    raise ValueError("a flow that a tool starts has no files beside it")
