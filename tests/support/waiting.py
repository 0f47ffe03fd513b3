"""Looking again and again, where nothing tells, until all is as a test wants it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from resprout.actors.shards import SHARDS
from resprout.memory.database import Database
from support.counting import Count, Increment
from support.house import HostHere, House

Seen = TypeVar("Seen")


async def until(condition: Callable[[], Seen], patience: float = 20) -> Seen:
    """What it gives when it is true at last."""
    async with asyncio.timeout(patience):
        while not (seen := condition()):
            await asyncio.sleep(0.02)
    return seen


async def until_found(
    look: Callable[[], Awaitable[Seen | None]], fits: Callable[[Seen], object] = bool, patience: float = 20
) -> Seen:
    """What is found when it fits at last; if nothing else is said, when there is something."""
    async with asyncio.timeout(patience):
        while (seen := await look()) is None or not fits(seen):
            await asyncio.sleep(0.02)
    return seen


async def all_handled(database: Database) -> None:
    """No told message waits any more."""
    await until_found(lambda: database.pool.fetchval("SELECT count(*) FROM resprout.mailbox"), lambda left: left == 0)


async def count_of(house: House, agent: str) -> int:
    reply = await house.asks(agent, Increment(by=0))
    assert isinstance(reply, Count)
    return reply.count


async def reaches(house: House, agent: str, count: int) -> None:
    await until_found(lambda: count_of(house, agent), lambda found: found >= count)
    assert await count_of(house, agent) == count


async def opened(host: HostHere) -> None:
    """Until it is alone with all shards, and each of them takes messages."""
    await until(lambda: len(host.delivery.holdings.which_are("open")) == SHARDS)


async def working(host: HostHere) -> None:
    """Until an agent of it is in a turn."""
    await until(lambda: host.delivery.handling.running)
