"""Talking to agents from Python, outside of any host and workflow.

    async with await Client.connect() as client:
        reply = await client.agent("greeter/ada").ask(Greet(name="ada"))

A call that ends in DeadlinePassed or DatabaseLost may have happened: ask again with the same `id` to learn it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from uuid import UUID, uuid4

from opentelemetry.propagate import inject

from ..actors.address import AgentAddress
from ..actors.envelope import Envelope
from ..actors.errors import Rejected
from ..actors.message import Message, parse
from . import ray_link
from .calls import RayAgents
from .settings import Settings, load
from .stack.find import attach

PATIENCE = timedelta(seconds=30)


class Client:
    """One per process: it holds the process's connection to the Ray cluster on which agents live."""

    def __init__(self) -> None:
        self.agents = RayAgents()

    @classmethod
    async def connect(cls, settings: Settings | None = None) -> "Client":
        """By default, to what resprout.toml, the environment and the stack of this directory say."""
        settings = attach(settings or load().settings, "ray.address")
        await ray_link.connect(settings.ray)
        return cls()

    def agent(self, address: str) -> "AgentRef":
        return AgentRef(AgentAddress.parse(address), self.agents)

    async def close(self) -> None:
        await ray_link.disconnect()

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


@dataclass(frozen=True)
class AgentRef:
    address: AgentAddress
    agents: RayAgents

    async def ask(self, message: Message, *, timeout: timedelta = PATIENCE, id: UUID | None = None) -> Message | None:  # noqa: A002
        """The reply, None if the handler gives none. A message with an `id` that was handled gets its stored reply."""
        if timeout <= timedelta(0):
            raise Rejected(f"the deadline of a message to {self.address} is in the past. Give a timeout above zero.")
        trace: dict[str, str] = {}
        inject(trace)
        reply = await self.agents.ask(
            Envelope(
                id=id or uuid4(),
                recipient=str(self.address),
                type=message.message_name,
                version=message.message_version,
                body=message.model_dump(mode="json"),
                deadline=datetime.now(UTC) + timeout,
                trace=trace,
            )
        )
        return parse(reply.type, reply.body or {}) if reply.type is not None else None
