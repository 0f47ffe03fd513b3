"""What a model is saying to an agent at this moment: asked of the host on which the agent lives, and kept nowhere."""

from collections.abc import Awaitable, Callable
from typing import cast

from ..actors.address import AgentAddress
from ..actors.brain import Saying
from ..actors.calls import Caller, Lost
from ..actors.errors import ResproutError
from .calls import connected
from .connections import Connections
from .settings import Settings

Speech = Callable[[AgentAddress], Awaitable[Saying | None]]


async def silent(_: AgentAddress) -> Saying | None:
    """Where no host can be asked."""
    return None


class Listening:
    """Connects when it is first asked. Where hosts cannot be found, nothing is heard, and it is not asked again."""

    def __init__(self, settings: Settings, caller: Caller | None = None) -> None:
        self.settings = settings
        self.caller = caller
        self.is_deaf = False

    async def __call__(self, agent: AgentAddress) -> Saying | None:
        if self.is_deaf:
            return None
        try:
            if self.caller is None:
                self.caller = await connected(self.settings)
            return await self._heard(self.caller, agent)
        except ResproutError:  # to watch is no reason to fail: what counts is told by Temporal
            self.is_deaf = True
            return None

    async def _heard(self, caller: Caller, agent: AgentAddress) -> Saying | None:
        host = caller.routes.host_of(agent)
        try:
            return await cast("Connections", caller.transport).speech(host, agent) if host is not None else None
        except (Lost, TimeoutError):
            await caller.look()
            return None
