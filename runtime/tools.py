"""Composes the tools of a process: which there are, what they may use, and what decides and records their calls."""

import asyncio
import hashlib
import importlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client

from ..activities.approve import Approve
from ..activities.call_tool import CallTool
from ..activities.sandbox.sandboxes import Sandboxes
from ..activities.tools.builtin import ALL
from ..activities.tools.calling import Plan, ToolCaller, idempotency_key
from ..activities.tools.doubts import Doubts
from ..activities.tools.run_sandbox import CallSandbox
from ..activities.tools.secrets import Secrets
from ..activities.tools.tool import Tool, ToolCall
from ..activities.tools.toolbox import Toolbox
from ..actors.logger import get_logger
from ..memory.approvals import Approvals
from ..memory.audit import Audit
from ..memory.effects import Effects
from ..memory.grants import Grants
from ..memory.tools import Registration, ToolRegistry
from . import identity
from .agent_modules import import_agents
from .lazy_database import LazyDatabase
from .policy.policy import Policy
from .policy.rules import load
from .sandboxes import SecretsFromEnvironment
from .settings import Settings

log = get_logger("resprout.tools")


def known_tools(settings: Settings | None) -> Toolbox:
    """Those that are code: ours, and those in the modules that the settings name."""
    toolbox = Toolbox(ALL)
    if settings is None:
        return toolbox
    import_agents(settings.agents)
    for module in settings.agents.modules:
        for one in _tools_in(module):
            toolbox.add(one)
    return toolbox


def _tools_in(module: str) -> Iterator[Tool]:
    for one in vars(importlib.import_module(module)).values():
        if isinstance(one, Tool):
            yield Tool(one.manifest, one.arguments, one.run, one.need, one.preview, source=f"module:{module}")


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
    policy = Policy(load(owner=identity.user_name()), Grants(database.open))
    uses = Uses(settings, boxes, client)
    caller = ToolCaller(toolbox, policy, effects, approvals, audit, Secrets(SecretsFromEnvironment()), uses.of_plan)
    registering = asyncio.create_task(register(toolbox, ToolRegistry(database.open)))
    try:
        yield Tools(CallTool(caller, Doubts(policy, effects, audit)), Approve(approvals, policy, toolbox, audit))
    finally:
        registering.cancel()
        await database.close()


async def register(toolbox: Toolbox, registry: ToolRegistry) -> None:
    given = [
        Registration(
            one.name,
            one.manifest.version,
            one.manifest.digest,
            json.dumps(one.manifest.model_dump(mode="json")),
            one.source,
            one.manifest.deprecated,
        )
        for one in toolbox
    ]
    for clash in await registry.register(given):
        log.error("a tool changed without a new version", registered=clash, remedy="raise its version")


@dataclass(frozen=True)
class Uses:
    """What calls may use of this process."""

    settings: Settings
    boxes: Sandboxes
    client: Client

    def of_plan(self, plan: Plan) -> ToolCall:
        key = idempotency_key(plan.key)
        return ToolCall(
            key=key,
            tenant=plan.request.tenant,
            principal=plan.question.actor,
            workspace=workspace_of(self.settings.data_dir, plan.request.tenant, plan.run),
            sandbox=CallSandbox(self.boxes, key, plan.request.tenant),
        )


def workspace_of(data_dir: Path, tenant: str, run: str) -> Path:
    """The directory that is the run's own: for people to find, with a name that no run can choose to be another's."""
    readable = "".join(char if char.isalnum() or char in "-_" else "-" for char in run)[:60]
    digest = hashlib.sha256(f"{tenant}\0{run}".encode()).hexdigest()[:12]
    path = data_dir.resolve() / "workspaces" / f"{readable}-{digest}"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
