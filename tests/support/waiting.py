"""Looking at agents until they are where a test wants them."""

import asyncio

from support.counting import Count, Increment
from support.house import House


async def count_of(house: House, agent: str) -> int:
    reply = await house.asks(agent, Increment(by=0))
    assert isinstance(reply, Count)
    return reply.count


async def reaches(house: House, agent: str, count: int) -> None:
    async with asyncio.timeout(20):
        while await count_of(house, agent) < count:
            await asyncio.sleep(0.02)
    assert await count_of(house, agent) == count
