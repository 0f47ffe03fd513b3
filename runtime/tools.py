"""Composes the tools of a process: which there are, what they may use, and what decides and records their calls."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client

from ..activities.approve import Approve
from ..activities.call_tool import CallTool
from ..activities.open_budget import OpenBudget
from ..activities.sandbox.sandboxes import Sandboxes
from ..activities.secrets import Veil
from ..activities.settle import Settle
from ..activities.think import Think
from ..activities.tools.calling import ToolCaller
from ..activities.tools.doubts import Doubts
from ..activities.tools.outside.sources import Outside
from ..activities.tools.plan import Begin, Plan
from ..activities.tools.reach_agents import CallAgents
from ..activities.tools.run_sandbox import CallSandbox
from ..activities.tools.secrets import Secrets
from ..activities.tools.tool import ToolCall
from ..activities.tools.toolbox import Toolbox
from ..actors.calls import Caller
from ..actors.logger import get_logger
from ..memory import large_payloads
from ..memory.approvals import Approvals
from ..memory.audit import Audit
from ..memory.budgets import Budgets
from ..memory.database import Database
from ..memory.effects import Effects
from ..memory.registry import Registry
from ..memory.tools import ToolRegistry
from .calls import caller
from .known_tools import known_tools
from .lazy_database import LazyDatabase
from .policy import policy_of
from .roles import Roles
from .runs import Runs
from .secrets import SecretsFromEnvironment
from .session_reports import sessions_reported
from .settings import Settings
from .tool_imports import registration
from .tool_runs import CallRuns
from .tool_sources import ToolSources

log = get_logger("resprout.tools")


@dataclass(frozen=True)
class Tools:
    """The activities around tools."""

    call: CallTool
    approve: Approve
    budget: OpenBudget
    think: Think


@asynccontextmanager
async def tools(settings: Settings, boxes: Sandboxes, client: Client) -> AsyncIterator[Tools]:
    database = LazyDatabase(settings.postgres, "tools", pool_size=8)
    toolbox = known_tools(settings)
    audit = Audit(database.open).append
    effects, approvals = Effects(database.open), Approvals(database.open)
    budgets = Budgets(database.open)
    policy = policy_of(settings, database.open)
    registry, known = ToolRegistry(database.open), SecretsFromEnvironment()
    secrets = Secrets(known)
    uses = Uses(settings, boxes, caller(settings), client, database.open, secrets)
    registering = asyncio.create_task(register(toolbox, registry))
    outside = Outside(known)
    sources = ToolSources(toolbox, registry, outside)

    async def keep(payloads: Sequence[bytes]) -> list[bytes]:
        return await large_payloads.keep(await database.open(), payloads)

    async def fetch(keys: Sequence[bytes]) -> list[bytes | None]:
        return await large_payloads.fetch(await database.open(), keys)

    settle = Settle(toolbox, sources.look, Roles(settings.roles.dir), ",".join(settings.models.default))
    hands = ToolCaller(toolbox, policy, effects, approvals, audit, secrets, uses.of_plan, sources.look)
    try:
        async with sessions_reported(outside, database.open):
            yield Tools(
                CallTool(hands, Doubts(policy, effects, audit), budgets, keep),
                Approve(approvals, policy, toolbox, audit, sources.look),
                OpenBudget(budgets),
                Think(uses.agents, settle, fetch),
            )
    finally:
        registering.cancel()
        await sources.close()
        await database.close()


async def register(toolbox: Toolbox, registry: ToolRegistry) -> None:
    """A version that means another tool elsewhere is not called here: people and policy know the other."""
    for clash in await registry.register([registration(one) for one in toolbox]):
        toolbox.leave_out(clash.name, clash.version)
        log.error(
            "a tool changed without a new version and is left out", registered=str(clash), remedy="raise its version"
        )


@dataclass(frozen=True)
class Uses:
    """What calls may use of this process."""

    settings: Settings
    boxes: Sandboxes
    agents: Caller
    client: Client
    open: Callable[[], Awaitable[Database]]
    secrets: Secrets

    def of_plan(self, plan: Plan, began: Begin) -> ToolCall:
        key, tenant, chain = plan.call_key, plan.request.tenant, plan.request.chain
        return ToolCall(
            key=key,
            tenant=tenant,
            principal=chain[-1],
            workspace=workspace_of(self.settings.data_dir, tenant, plan.run),
            sandbox=self._sandbox(plan, began, key),
            agents=CallAgents(self.agents, self._registry, key, began.at, chain[-1], tenant, plan.run),
            runs=CallRuns(self._runs, key, tenant, chain),
        )

    def _sandbox(self, plan: Plan, began: Begin, key: str) -> CallSandbox:
        def veil() -> Veil:
            return self.secrets.revealed(plan.arguments).veil

        one = f"{key}/{began.agains}" if began.agains else key
        return CallSandbox(self.boxes, one, plan.request.tenant, self._kept, veil)

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
