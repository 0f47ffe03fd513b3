"""What agents cost: asks, durable turns, memory, and a killed host.

    python benchmarks/agents.py [--quick] [--json] [--only MEASURE,...]

`ask_vs_ray`: asks of ephemeral agents from one client, beside plain calls of a Ray async actor, one message a call,
both with 1,000 in flight, in turns. `durable_vs_postgres`: durable turns over 1,000 agents in one host without a
client, beside bare asyncpg that commits the same rows in the same batches. `durable_increments_per_s`: from a client
outside of the host, 1, 100 and 1,000 in flight over 1,000 keys; its baseline is what Restate reaches on such a
machine (../shared/figures.md). `idle_agent_kb`: private memory per activated agent. `host_kill_recovery_s`, `lost`,
`doubled`: one of two hosts is killed with -9 under load.
"""

import argparse
import asyncio
import gc
import os
import random
import signal
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import psutil
import uvloop
from measuring import group_commit
from measuring.agents import Increment, Total
from measuring.load import Load, at_rate, in_flight
from measuring.one_host import one_host
from measuring.report import keep_stdout, measure, print_report
from measuring.stack import Stack, running
from resprout.memory.migrate import migrate
from resprout.runtime.client import AgentRef, Client
from resprout.runtime.settings import Settings
from resprout.runtime.stack.find import attach

ADD = Increment()
RESTATE_PER_SECOND = 1_535.0
HOSTS = "SELECT count(DISTINCT host) FROM resprout.shards WHERE pool = ''"
Measures = dict[str, dict[str, Any]]


class Bench:
    def __init__(self, stack: Stack, client: Client, dsn: str, *, quick: bool) -> None:
        self.stack = stack
        self.client = client
        self.dsn = dsn
        self.seconds = 2.0 if quick else 8.0
        self.rounds = 2 if quick else 5

    def refs(self, kind: str, count: int) -> list[AgentRef]:
        return [self.client.agent(f"{kind}/{n}") for n in range(count)]

    async def ask_vs_ray(self) -> Measures:
        import ray

        flash = self.refs("bench-flash", 1000)
        plain = ray.remote(num_cpus=0, max_concurrency=2000)(Plain).remote()

        async def call_plain(n: int) -> object:
            return await plain.increment.remote(n % 1000, 1)

        await in_flight(lambda n: flash[n % 1000].ask(ADD), 1000, seconds=0.5)
        ours, theirs = [], []
        for _ in range(self.rounds):
            theirs.append((await in_flight(call_plain, 1000, seconds=self.seconds / 2)).rate)
            ours.append((await in_flight(lambda n: flash[n % 1000].ask(ADD), 1000, seconds=self.seconds / 2)).rate)
        ray.kill(plain)
        rate, baseline = statistics.median(ours), statistics.median(theirs)
        half = await at_rate(lambda n: flash[n % 1000].ask(ADD), rate / 2, seconds=self.seconds)
        alone = await in_flight(lambda n: flash[n % 1000].ask(ADD), 1, seconds=0.5)
        return {
            "ask_vs_ray": measure(
                rate, "asks/s", "at least 10 times Ray's", ok=rate >= 10 * baseline, baseline=baseline
            ),
            "ask_half_load_p99_ms": measure(half.p99_ms, "ms"),
            "ask_alone_p50_ms": measure(alone.p50_ms, "ms"),
        }

    async def durable_increments(self) -> Measures:
        durable = self.refs("bench-durable", 1000)
        measures: Measures = {}
        await in_flight(lambda n: durable[n % 1000].ask(ADD), 200, seconds=1)
        for width in (1, 100, 1000):
            found = await in_flight(lambda n: durable[n % 1000].ask(ADD), width, seconds=self.seconds)
            measures[f"durable_increments_{width}_p50_ms"] = measure(found.p50_ms, "ms")
            measures[f"durable_increments_{width}_p99_ms"] = measure(found.p99_ms, "ms")
            measures[f"durable_increments_{width}_per_s"] = measure(found.rate, "turns/s")
        measures["durable_increments_per_s"] = measure(
            found.rate,
            "turns/s",
            "at least 5 times Restate's",
            ok=found.rate >= 5 * RESTATE_PER_SECOND,
            baseline=RESTATE_PER_SECOND,
        )
        return measures

    async def durable_vs_postgres(self) -> Measures:
        measures: Measures = {}
        for name, delay in (("durable_vs_postgres", 0), ("durable_vs_postgres_slow_disk", 5_000)):
            dsn = await self._database(name, delay)
            ours, theirs = [], []
            async with one_host(dsn) as host:
                await host.flood(1000, 1000, 10_000)
                for _ in range(self.rounds):
                    theirs.append(
                        await group_commit.rate(dsn, agents=1000, batch=256, connections=2, seconds=self.seconds / 2)
                    )
                    ours.append(await host.flood(1000, 1000, int(self.seconds * 10_000)))
                if delay == 0:
                    measures |= await self._hot(host.increment)
            rate, baseline = statistics.median(ours), statistics.median(theirs)
            measures[name] = measure(rate, "turns/s", "at least half", ok=rate >= baseline / 2, baseline=baseline)
        return measures

    async def _hot(self, increment: Callable[[str], Awaitable[None]]) -> Measures:
        """One agent that gets all it can take, beside a hundred that get a little."""

        async def others() -> Load:
            return await at_rate(lambda n: increment(f"bench-durable/{n % 100 + 1}"), 200, seconds=self.seconds)

        before = await others()
        hot, beside = await asyncio.gather(
            in_flight(lambda _: increment("bench-durable/0"), 500, seconds=self.seconds), others()
        )
        return {
            "hot_agent_per_s": measure(hot.rate, "turns/s"),
            "beside_a_hot_agent_p99_ms": measure(
                beside.p99_ms, "ms", "under 250", ok=beside.p99_ms < 250, baseline=before.p99_ms
            ),
        }

    async def _database(self, name: str, commit_delay: int) -> str:
        """A fresh one on the stack's Postgres; with `commit_delay`, its disk is as slow as real ones."""
        admin = await asyncpg.connect(self.dsn)
        await admin.execute(f"CREATE DATABASE {name}")
        if commit_delay:
            await admin.execute(f"ALTER DATABASE {name} SET commit_delay = {commit_delay}")
            await admin.execute(f"ALTER DATABASE {name} SET commit_siblings = 0")
        await admin.close()
        dsn = self.dsn.replace("@/resprout?", f"@/{name}?")
        await migrate(dsn)
        return dsn

    async def idle_agents(self) -> Measures:
        known = 100_000
        connection = await asyncpg.connect(self.dsn)
        await connection.execute(
            "INSERT INTO resprout.agents (kind, key, state, version) SELECT 'bench-durable', 'known-' || n, "
            "'{\"total\": 1}', 1 FROM generate_series(1, $1) AS n",
            known,
        )
        await connection.close()
        host = psutil.Process(self.host_pids()[0])
        before = host.memory_full_info().uss
        picked = random.Random(1).sample(range(1, known + 1), 10_000)
        agents = iter([self.client.agent(f"bench-durable/known-{n}") for n in picked])
        taken: list[float] = []

        async def activate() -> None:
            for agent in agents:
                start = time.perf_counter()
                await agent.ask(ADD)
                taken.append(time.perf_counter() - start)

        await asyncio.gather(*(activate() for _ in range(20)))
        kilobytes = (host.memory_full_info().uss - before) / len(picked) / 1024
        return {
            "idle_agent_kb": measure(kilobytes, "KB", "under 20", ok=kilobytes < 20),
            "activation_p99_ms": measure(sorted(taken)[int(len(taken) * 0.99)] * 1e3, "ms"),
        }

    def host_pids(self) -> list[int]:
        return [instance["pid"] for instance in self.stack.services()["hosts"]["instances"]]

    async def host_kill(self) -> Measures:
        """The increments that were acknowledged must be what the agents count, no more and no less."""
        agents = self.refs("bench-durable", 400)
        joined = self.stack.join(1)
        try:
            await self._balanced(2)
            start = await self._totals(agents)
            acknowledged = [0] * len(agents)
            answered_at = [0.0] * len(agents)
            stop = asyncio.Event()

            async def work(n: int) -> None:
                while not stop.is_set():
                    await agents[n].ask(ADD)
                    acknowledged[n] += 1
                    answered_at[n] = time.perf_counter()

            work_on = [asyncio.create_task(work(n)) for n in range(len(agents))]
            await asyncio.sleep(self.seconds)
            killed_at = time.perf_counter()
            os.kill(self.host_pids()[0], signal.SIGKILL)
            first: dict[int, float] = {}
            while len(first) < len(agents):
                await asyncio.sleep(0.01)
                first |= {n: at for n, at in enumerate(answered_at) if n not in first and at > killed_at + 0.05}
            recovery = max(first.values()) - killed_at
            await asyncio.sleep(1)
            stop.set()
            await asyncio.gather(*work_on)
            ends = await self._totals(agents)
            off = [end - begin - known for begin, end, known in zip(start, ends, acknowledged, strict=True)]
            lost, doubled = -sum(n for n in off if n < 0), sum(n for n in off if n > 0)
        finally:
            joined.terminate()
            joined.wait(30)
        return {
            "host_kill_recovery_s": measure(recovery, "s", "under 3", ok=recovery < 3),
            "lost": measure(lost, "increments", "none", ok=lost == 0),
            "doubled": measure(doubled, "increments", "none", ok=doubled == 0),
        }

    async def growth(self) -> Measures:
        """Durable asks a second with 1, 2 and 4 hosts, and over 10, 1,000 and 100,000 agents."""
        measures: Measures = {}
        for count in (10, 1_000, 100_000):
            measures[f"agents_{count}_per_s"] = measure(await self._spread_over(count), "turns/s")
        agents = self.refs("bench-durable", 1000)
        joined = []
        try:
            for hosts, more in ((1, 0), (2, 1), (4, 2)):
                if more:
                    joined.append(self.stack.join(more))
                    await self._balanced(hosts)
                found = await in_flight(lambda n: agents[n % 1000].ask(ADD), 500, seconds=self.seconds)
                measures[f"hosts_{hosts}_per_s"] = measure(found.rate, "turns/s")
        finally:
            for process in joined:
                process.terminate()
            for process in joined:
                process.wait(30)
        return measures

    async def _spread_over(self, count: int) -> float:
        agents = [self.client.agent(f"bench-durable/grow-{n}") for n in range(count)]
        picks = random.Random(2)
        found: Load = await in_flight(lambda _: picks.choice(agents).ask(ADD), 500, seconds=self.seconds)
        return found.rate

    async def _balanced(self, hosts: int) -> None:
        connection = await asyncpg.connect(self.dsn)
        while await connection.fetchval(HOSTS) != hosts:  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.1)
        await connection.close()

    async def _totals(self, agents: list[AgentRef]) -> list[int]:
        replies = await asyncio.gather(*(agent.ask(Increment(by=0)) for agent in agents))
        return [reply.total for reply in replies if isinstance(reply, Total)]


class Plain:
    """What one writes with Ray alone."""

    def __init__(self) -> None:
        self.totals: dict[int, int] = {}

    async def increment(self, key: int, by: int) -> int:
        self.totals[key] = self.totals.get(key, 0) + by
        return self.totals[key]


async def run(stack: Stack, *, quick: bool, only: set[str]) -> Measures:
    gc.set_threshold(50_000, 20, 100)
    settings = attach(Settings(data_dir=stack.data_dir), "postgres.dsn")
    assert settings.postgres.dsn is not None
    async with await Client.connect(settings) as client:
        bench = Bench(stack, client, settings.postgres.dsn.get_secret_value(), quick=quick)
        parts = [bench.idle_agents, bench.ask_vs_ray, bench.durable_increments, bench.durable_vs_postgres]
        parts += [bench.host_kill] if quick else [bench.growth, bench.host_kill]
        measures: Measures = {}
        for part in parts:
            if not only or part.__name__ in only:
                measures |= await part()
        return measures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", default="", help="parts, as in ask_vs_ray,host_kill")
    arguments = parser.parse_args()
    only = {name for name in arguments.only.split(",") if name}
    keep_stdout()
    with running() as stack:
        measures = uvloop.run(run(stack, quick=arguments.quick, only=only))
    print_report("agents", measures, as_json=arguments.json)


if __name__ == "__main__":
    main()
