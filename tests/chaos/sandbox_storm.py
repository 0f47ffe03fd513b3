"""A storm over sandboxes: workers run keys, are killed with SIGKILL at random moments, and others get what was lost.

What is counted is seen from outside of them: processes of this machine, and events of the engine.
"""

import asyncio
import json
import os
import random
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from chaos.sandbox_worker import LINE_BYTES, Order, Told
from resprout.actors.ids import new_id

WORKER = Path(__file__).with_name("sandbox_worker.py")
WORKERS = 3
AT_ONCE = 8
BETWEEN_KILLS = 0.4  # seconds, on average, after the last victim is replaced: most runs meet one
TWICE = 0.2  # of the keys are given to two workers at the same time
NAP = 0.4  # seconds and a fraction that is the key's own


@dataclass
class Storm:
    dsn: str
    instance: str
    isolation: str
    runs: int
    weather: random.Random
    told: dict[str, list[Told]] = field(default_factory=dict)  # by key
    kills: Counter[str] = field(default_factory=Counter)  # by what was in hand
    workers: "list[Worker]" = field(default_factory=list)

    def __post_init__(self) -> None:
        name = new_id().hex[-8:]
        own = self.weather.sample(range(10**8, 10**9), self.runs)
        self.orders = [Order(f"{name}/{n}", self.isolation, f"{NAP}{fraction}") for n, fraction in enumerate(own)]

    async def rage(self) -> None:
        """Until every key has an outcome, and each worker has ended."""
        self.workers = [await Worker.begin(self) for _ in range(WORKERS)]
        killing = asyncio.create_task(self._kill())
        gate = asyncio.Semaphore(AT_ONCE)
        try:
            await asyncio.gather(*(self._ordered(order, gate) for order in self.orders))
        finally:
            killing.cancel()
            await asyncio.gather(killing, return_exceptions=True)
            for worker in self.workers:
                await worker.kill()

    async def _ordered(self, order: Order, gate: asyncio.Semaphore) -> None:
        async with gate:
            copies = 2 if self.weather.random() < TWICE else 1
            self.told[order.key] = await asyncio.gather(*(self._told(order) for _ in range(copies)))

    async def _told(self, order: Order) -> Told:
        """As Temporal does: tried until somebody knows."""
        while True:
            told = await self.weather.choice(self.workers).carry_out(order)
            if told is not None and told.outcome != "again":
                return told

    async def _kill(self) -> None:
        while True:
            await asyncio.sleep(self.weather.expovariate(1 / BETWEEN_KILLS))
            number = self.weather.randrange(WORKERS)
            if not self.kills:  # there may be only this one: it is in the middle of a run
                number = next((n for n, worker in enumerate(self.workers) if worker.waiting), number)
            victim = self.workers.pop(number)
            self.kills["busy" if victim.waiting else "idle"] += 1
            await victim.kill()
            self.workers.append(await Worker.begin(self))


@dataclass
class Worker:
    process: Process
    listening: asyncio.Task[None] = field(init=False)
    waiting: dict[str, list["asyncio.Future[Told | None]"]] = field(default_factory=dict)

    @classmethod
    async def begin(cls, storm: Storm) -> "Worker":
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        words = (sys.executable, str(WORKER), storm.dsn, storm.instance)
        worker = cls(await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE, env=env, limit=LINE_BYTES))
        assert worker.process.stdout is not None
        try:
            # However slow the machine is, some get to work.
            assert await worker.process.stdout.readline() == b"ready\n"
        except BaseException:
            worker.process.kill()
            await worker.process.wait()
            raise
        worker.listening = asyncio.create_task(worker._listen())
        return worker

    async def carry_out(self, order: Order) -> Told | None:
        """None: it was killed first."""
        assert not self.listening.done(), "a worker ended by itself"
        told: asyncio.Future[Told | None] = asyncio.get_running_loop().create_future()
        self.waiting.setdefault(order.key, []).append(told)
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
        return await told

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self.listening

    async def _listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            told = Told(**json.loads(line))
            waiting = self.waiting[told.key]
            waiting.pop(0).set_result(told)
            if not waiting:
                del self.waiting[told.key]
        for one in (one for waiting in self.waiting.values() for one in waiting):
            one.set_result(None)
        self.waiting.clear()
