"""Agents as a tool's call sees them: `ToolCall.agents`.

Ids are derived from the call's key and its first moment, not from the attempt: an agent that sees a message again
gives the stored reply.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid5

from ...actors.address import AgentAddress
from ...actors.envelope import Envelope
from ...actors.ids import at
from ...actors.message import parse
from ...actors.tracing import carried
from ...memory.registry import Registry
from ..ask_agent import Agents
from .tool import Reply

IDS = UUID("0d9b8a52-4a0e-4d0b-8d4f-5f8c4be0a7c3")
KEPT_WITHIN = timedelta(seconds=20)  # until a told message is on disk, or the call fails


class ReachableAgents(Agents, Protocol):
    async def tell(self, envelope: Envelope, until: datetime) -> None: ...


@dataclass(frozen=True)
class CallAgents:
    agents: ReachableAgents
    registry: Callable[[], Awaitable[Registry]]
    key: str  # of the call
    began: datetime  # when the call was first intended: the same each time that it is tried
    principal: str
    tenant: str
    run: str | None = None

    async def ask(self, agent: str, message: str, body: dict[str, Any], timeout: timedelta) -> Reply:
        envelope = self._envelope("ask", agent, message, body, datetime.now(UTC) + timeout)
        reply = await self.agents.ask(envelope)
        if reply.type is None:
            return None, None
        return reply.type, json.loads(reply.body or "{}")

    async def tell(self, agent: str, message: str, body: dict[str, Any]) -> str:
        envelope = self._envelope("tell", agent, message, body, None)
        await self.agents.tell(envelope, datetime.now(UTC) + KEPT_WITHIN)
        return str(envelope.id)

    async def find(self, capability: str | None, kind: str | None, limit: int) -> list[dict[str, Any]]:
        """Instances, then the kinds of which there is none yet: an agent is there as soon as it is spoken to."""
        registry = await self.registry()
        kinds = await registry.kinds(kind=kind, capability=capability)
        instances = await registry.find(kind=kind, capability=capability, limit=limit)
        messages = {row.kind: list(row.described["handlers"]) for row in kinds}
        found = [
            _found(one.agent, one.health, one.capabilities, messages.get(AgentAddress.parse(one.agent).kind))
            for one in instances
        ]
        known = {AgentAddress.parse(one.agent).kind for one in instances}
        for row in kinds:
            if row.kind not in known:
                capabilities = [one["name"] for one in row.described["capabilities"]]
                health = "stale" if row.stale else "healthy"
                found.append(_found(f"{row.kind}/", health, capabilities, messages[row.kind]))
        return found[:limit]

    def _envelope(
        self, way: Any, agent: str, message: str, body: dict[str, Any], deadline: datetime | None
    ) -> Envelope:
        read = parse(message, body)
        return Envelope(
            id=at(int(self.began.timestamp() * 1000), uuid5(IDS, self.key).int),
            way=way,
            recipient=agent,
            sender=self.principal,
            type=read.message_name,
            version=read.message_version,
            body=read.model_dump_json(),
            tenant=self.tenant,
            run=self.run,
            deadline=deadline,
            trace=carried(),
            attempt=2,  # it may have been sent before; who knows looks first
        )


def _found(agent: str, health: str, capabilities: list[str], messages: list[str] | None) -> dict[str, Any]:
    return {"agent": agent, "health": health, "capabilities": capabilities, "messages": messages or []}
