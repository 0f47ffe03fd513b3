"""Load with so many requests in flight, and what came of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Request = Callable[[int], Awaitable[object]]


@dataclass(frozen=True)
class Load:
    rate: float  # requests a second
    p50_ms: float
    p99_ms: float


async def in_flight(request: Request, width: int, *, seconds: float) -> Load:
    """Keeps `width` requests in flight for so long."""
    taken: list[float] = []
    began = time.perf_counter()
    ends = began + seconds
    numbers = iter(range(1 << 60))

    async def one() -> None:
        while (start := time.perf_counter()) < ends:
            await request(next(numbers))
            taken.append(time.perf_counter() - start)

    await asyncio.gather(*(one() for _ in range(width)))
    return load_of(taken, time.perf_counter() - began)


async def at_rate(request: Request, rate: float, *, seconds: float) -> Load:
    """Sends so many a second whatever comes back; the time of each counts from when it should have been sent."""
    taken: list[float] = []
    began = time.perf_counter()

    async def one(number: int, due: float) -> None:
        await request(number)
        taken.append(time.perf_counter() - due)

    sent = 0
    async with asyncio.TaskGroup() as tasks:
        while (now := time.perf_counter()) < began + seconds:
            while sent < (now - began) * rate:
                tasks.create_task(one(sent, began + sent / rate))
                sent += 1
            await asyncio.sleep(0.001)
    return load_of(taken, time.perf_counter() - began)


def load_of(taken: list[float], seconds: float) -> Load:
    taken = sorted(taken)
    return Load(len(taken) / seconds, taken[len(taken) // 2] * 1e3, taken[int(len(taken) * 0.99)] * 1e3)
