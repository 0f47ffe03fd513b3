"""Looking at agents until they are where a test wants them."""

import asyncio

from resprout.actors.shards import SHARDS
from support.counting import Count, Increment
from support.house import HostHere, House


async def count_of(house: House, agent: str) -> int:
    reply = await house.asks(agent, Increment(by=0))
    assert isinstance(reply, Count)
    return reply.count


async def reaches(house: House, agent: str, count: int) -> None:
    async with asyncio.timeout(20):
        while await count_of(house, agent) < count:
            await asyncio.sleep(0.02)
    assert await count_of(house, agent) == count


async def opened(host: HostHere) -> None:
    """Until it is alone with all shards, and each of them takes messages."""
    async with asyncio.timeout(20):
        while len(host.delivery.holdings.which_are("open")) < SHARDS:
            await asyncio.sleep(0.02)


async def working(host: HostHere) -> None:
    """Until an agent of it is in a turn."""
    async with asyncio.timeout(20):
        while not host.delivery.handling.running:
            await asyncio.sleep(0.01)
