"""The activity `task.route`: who can do this? Answers with one agent that is well, another one at each try.

Of a kind that can do it every agent is as good as any other, so tasks go to agents of their own, `KIND/task-0` to
`KIND/task-7`: eight tasks of a kind at once, and no state of tasks in the agents that people talk to. An agent that
alone of its kind says that it can do it is asked itself.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from temporalio import activity
from temporalio.exceptions import ApplicationError

from ..actors.address import AgentAddress
from .contracts import ROUTE_TASK, RouteInput, RouteOutput

AGENTS_OF_A_KIND = 8
NOBODY_ABLE = "NobodyAble"


@dataclass(frozen=True)
class Known:
    """What the registry knows of those who can do something."""

    kinds: Sequence[str]  # that hosts run now
    well: Sequence[str]  # agents
    unwell: Sequence[str]  # agents that are in quarantine, or that no host has


class AbleAgents(Protocol):
    """What this activity needs from above: somebody who can read the registry."""

    async def who_can(self, capability: str) -> Known: ...


class RouteTask:
    def __init__(self, able: AbleAgents) -> None:
        self.able = able

    @activity.defn(name=ROUTE_TASK)
    async def route(self, request: RouteInput) -> RouteOutput:
        known = await self.able.who_can(request.capability)
        found = candidates(known)
        if not found:
            sick = f" ({', '.join(known.unwell[:5])} could, and are not well)" if known.unwell else ""
            raise ApplicationError(
                f"no agent can {request.capability} now{sick}: see `resprout agent find --capability "
                f"{request.capability}`.",
                type=NOBODY_ABLE,
                non_retryable=True,  # the task itself tries again, later
            )
        fresh = [agent for agent in found if agent not in request.avoid]
        return RouteOutput(agent=random.choice(fresh or found))


def candidates(known: Known) -> list[str]:
    own = [f"{kind}/task-{number}" for kind in known.kinds for number in range(AGENTS_OF_A_KIND)]
    others = [agent for agent in known.well if AgentAddress.parse(agent).kind not in known.kinds]
    return [agent for agent in [*own, *others] if agent not in known.unwell]
