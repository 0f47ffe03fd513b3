"""Composes the tools of a process: which there are, what they may use, and what decides and records their calls."""

import asyncio
import hashlib
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from temporalio.client import Client

from ..activities.approve import Approve
from ..activities.call_tool import CallTool
from ..activities.sandbox.sandboxes import Sandboxes
from ..activities.tools.builtin import ALL
from ..activities.tools.calling import Begin, Plan, ToolCaller, idempotency_key
from ..activities.tools.doubts import Doubts
from ..activities.tools.outside.sources import Outside
from ..activities.tools.reach_agents import CallAgents
from ..activities.tools.run_sandbox import CallSandbox
from ..activities.tools.secrets import Secrets
from ..activities.tools.tool import Tool, ToolCall
from ..activities.tools.toolbox import Toolbox
from ..actors.calls import Caller
from ..actors.errors import BadClass
from ..actors.logger import get_logger
from ..memory import large_payloads
from ..memory.approvals import Approvals
from ..memory.audit import Audit
from ..memory.database import Database
from ..memory.effects import Effects
from ..memory.registry import Registry
from ..memory.tools import ToolRegistry
from .agent_modules import import_agents
from .calls import caller
from .lazy_database import LazyDatabase
from .plugins.loading import plugin_tools
from .policy import policy_of
from .runs import Runs
from .sandboxes import SecretsFromEnvironment
from .settings import Settings
from .tool_imports import registration
from .tool_runs import CallRuns
from .tool_sources import ToolSources

log = get_logger("resprout.tools")


def known_tools(settings: Settings | None) -> Toolbox:
    """Those that are code: ours, those of plugins, and those in the modules that the settings name."""
    toolbox = Toolbox(ALL)
    if settings is None:
        return toolbox
    add_plugins(toolbox)
    import_agents(settings.agents)
    for module in settings.agents.modules:
        for one in _tools_in(module):
            toolbox.add(one)
    return toolbox


def add_plugins(toolbox: Toolbox) -> None:
    """A family of ours stays ours."""
    taken = {one.manifest.family for one in toolbox}
    for one in plugin_tools():
        try:
            if one.manifest.family in taken:
                raise BadClass(f"its family is taken: rename the family of {one.name}")
            toolbox.add(one)
        except BadClass as error:
            log.error(
                "a tool of a plugin is left out", tool=one.manifest.reference, source=one.source, error=str(error)
            )


def _tools_in(module: str) -> Iterator[Tool]:
    for one in vars(importlib.import_module(module)).values():
        if isinstance(one, Tool):
            yield replace(one, source=f"module:{module}")


@dataclass(frozen=True)
class Tools:
    """The activities around tools."""

    call: CallTool
    approve: Approve


@asynccontextmanager
async def tools(settings: Settings, boxes: Sandboxes, client: Client) -> AsyncIterator[Tools]:
    database = LazyDatabase(settings.postgres, "tools", pool_size=8)
    toolbox = known_tools(settings)
    audit = Audit(database.open).append
    effects, approvals = Effects(database.open), Approvals(database.open)
    policy = policy_of(settings, database.open)
    uses = Uses(settings, boxes, caller(settings), client, database.open)
    registry, known = ToolRegistry(database.open), SecretsFromEnvironment()
    registering = asyncio.create_task(register(list(toolbox), registry))
    sources = ToolSources(toolbox, registry, Outside(known))
    hands = ToolCaller(toolbox, policy, effects, approvals, audit, Secrets(known), uses.of_plan, sources.look)
    try:
        yield Tools(CallTool(hands, Doubts(policy, effects, audit)), Approve(approvals, policy, toolbox, audit))
    finally:
        registering.cancel()
        await sources.close()
        await database.close()


async def register(tools: Sequence[Tool], registry: ToolRegistry) -> None:
    for clash in await registry.register([registration(one) for one in tools]):
        log.error("a tool changed without a new version", registered=clash, remedy="raise its version")


@dataclass(frozen=True)
class Uses:
    """What calls may use of this process."""

    settings: Settings
    boxes: Sandboxes
    agents: Caller
    client: Client
    open: Callable[[], Awaitable[Database]]

    def of_plan(self, plan: Plan, began: Begin) -> ToolCall:
        key, tenant, chain = idempotency_key(plan.key), plan.request.tenant, plan.request.chain
        return ToolCall(
            key=key,
            tenant=tenant,
            principal=chain[-1],
            workspace=workspace_of(self.settings.data_dir, tenant, plan.run),
            sandbox=CallSandbox(self.boxes, f"{key}/{began.agains}" if began.agains else key, tenant, self._kept),
            agents=CallAgents(self.agents, self._registry, key, began.at, chain[-1], tenant, plan.run),
            runs=CallRuns(self._runs, key, tenant, chain),
        )

    async def _runs(self) -> Runs:
        return Runs(self.client, self.settings.temporal)

    async def _registry(self) -> Registry:
        return Registry(await self.open())

    async def _kept(self, hashes: Sequence[bytes]) -> list[bytes | None]:
        return await large_payloads.fetch(await self.open(), hashes)


def workspace_of(data_dir: Path, tenant: str, run: str) -> Path:
    """The directory that is the run's own: for people to find, with a name that no run can choose to be another's."""
    readable = "".join(char if char.isalnum() or char in "-_" else "-" for char in run)[:60]
    digest = hashlib.sha256(f"{tenant}\0{run}".encode()).hexdigest()[:12]
    path = data_dir.resolve() / "workspaces" / f"{readable}-{digest}"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
