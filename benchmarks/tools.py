"""What a call of a tool costs: beside a bare activity, and its decision alone.

    python benchmarks/tools.py [--quick] [--json]

`tool_overhead_ms`: a trivial tool as a durable step (the task `tool` of a flow), less a bare activity that answers at
once, both one after the other in the same run on the same server and worker, in turns; the median of differences.
`decision_us_cached` and `decision_us`: what policy takes to answer a question that it has answered before, and one
that it has not.
"""

import argparse
import asyncio
import statistics
import time
from typing import Any
from uuid import uuid4

from measuring.report import keep_stdout, measure, print_report
from measuring.stack import running
from measuring.tool_worker import QUEUE, TEXT, tool_worker
from resprout.activities.tools.policy import Question
from resprout.memory.database import Database
from resprout.memory.grants import Grants
from resprout.runtime import temporal
from resprout.runtime.policy.policy import Policy
from resprout.runtime.policy.rules import load
from resprout.runtime.settings import Settings
from resprout.runtime.stack.find import attach
from temporalio.client import Client

STEPS = 20
TARGET_MS = 15.0


async def ms_a_step(client: Client, *, bare: bool) -> float:
    began = time.perf_counter()
    await client.execute_workflow("steps", {"steps": STEPS, "bare": bare}, id=f"bench-{uuid4()}", task_queue=QUEUE)
    return (time.perf_counter() - began) / STEPS * 1e3


async def overhead(client: Client, rounds: int) -> dict[str, Any]:
    for bare in (True, False):
        await ms_a_step(client, bare=bare)
    pairs = [(await ms_a_step(client, bare=True), await ms_a_step(client, bare=False)) for _ in range(rounds)]
    bare_ms, tool_ms = (statistics.median(pair[n] for pair in pairs) for n in (0, 1))
    over = statistics.median(tool - bare for bare, tool in pairs)
    return {
        "tool_overhead_ms": measure(over, "ms", f"under {TARGET_MS:g}", ok=over < TARGET_MS),
        "tool_step_ms": measure(tool_ms, "ms", baseline=bare_ms),
    }


async def decisions(settings: Settings, asked: int) -> dict[str, Any]:
    assert settings.postgres.dsn is not None
    async with await Database.open(settings.postgres.dsn.get_secret_value()) as database:

        async def opened() -> Database:
            return database

        policy = Policy(load(), Grants(opened))

        async def us(question: Question) -> float:
            began = time.perf_counter()
            await policy.decide(question)
            return (time.perf_counter() - began) * 1e6

        new = [await us(_question(f"user:{n}")) for n in range(asked)]
        cached = [await us(_question(f"user:{n}")) for n in range(asked)]
    uncached_us, cached_us = statistics.median(new), statistics.median(cached)
    return {
        "decision_us": measure(uncached_us, "us"),
        "decision_us_cached": measure(cached_us, "us", baseline=uncached_us),
    }


def _question(who: str) -> Question:
    return Question(
        chain=(who, "run:bench"), tenant="default", run="bench", action="tool.call", tool="text.count",
        version="1.0.0", newest="1.0.0", source="built-in", arguments={"text": TEXT},
    )  # fmt: skip


async def run(settings: Settings, *, quick: bool) -> dict[str, Any]:
    client = await temporal.client_of(settings)
    async with tool_worker(client, settings):
        measures = await overhead(client, 7 if quick else 41)
    return measures | await decisions(settings, 200 if quick else 2_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    keep_stdout()
    with running() as stack:
        settings = attach(Settings(data_dir=stack.data_dir), "temporal.address", "postgres.dsn")
        measures = asyncio.run(run(settings, quick=arguments.quick))
    print_report("tools", measures, as_json=arguments.json)


if __name__ == "__main__":
    main()
