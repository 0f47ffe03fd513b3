"""How long a stack takes to be healthy, and a `hello` to come back.

    python benchmarks/stack.py [--quick] [--json]

`up_s`: `resprout up --detach` on a new data directory, until every service is healthy (target: under 20 s).
`hello_ms`: one `hello` from start to result, alone (client connected), beside a workflow with no activity at all on
the same server in the same run.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from resprout.runtime.settings import TemporalSettings
from resprout.runtime.temporal import connect
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

RESPROUT = [sys.executable, "-m", "resprout.runtime.cli"]
TARGET_UP_SECONDS = 20.0


@workflow.defn(name="nothing")
class Nothing:
    @workflow.run
    async def run(self) -> None:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="resprout-bench-"))
    directory.chmod(0o711)
    try:
        measures = measure(directory / "data", 30 if arguments.quick else 300)
    finally:
        subprocess.run([*RESPROUT, "down", "--data-dir", str(directory / "data")], check=False, capture_output=True)
        shutil.rmtree(directory)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "kernel": platform.release()}
    report = {"benchmark": "stack", "machine": machine, "measures": measures}
    if arguments.json:
        print(json.dumps(report))
        return
    for name, value in measures.items():
        print(f"{name}: {value['value']} {value['unit']} (baseline {value['baseline']}, target {value['target']})")


def measure(data_dir: Path, rounds: int) -> dict[str, Any]:
    began = time.monotonic()
    subprocess.run([*RESPROUT, "up", "--detach", "--data-dir", str(data_dir)], check=True, capture_output=True)
    up = time.monotonic() - began
    status = subprocess.run(
        [*RESPROUT, "status", "--json", "--data-dir", str(data_dir)], check=True, capture_output=True
    )
    address = json.loads(status.stdout)["endpoints"]["temporal.address"]
    hello, nothing = asyncio.run(latencies(address, rounds))
    return {
        "up_s": entry(up, "s", target=f"< {TARGET_UP_SECONDS:.0f}", ok=up < TARGET_UP_SECONDS),
        "hello_ms": entry(hello, "ms", baseline=nothing, target="none", ok=True),
    }


async def latencies(address: str, rounds: int) -> tuple[float, float]:
    client = await connect(TemporalSettings(address=address))
    async with Worker(client, task_queue="bench", workflows=[Nothing], workflow_runner=UnsandboxedWorkflowRunner()):

        async def hello() -> None:
            await client.execute_workflow("hello", {"name": "bench"}, id=uuid4().hex, task_queue="resprout")

        hellos, nothings = [], []
        for _ in range(rounds):
            hellos.append(await timed(hello))
            nothings.append(await timed(lambda: run_nothing(client)))
    return statistics.median(hellos) * 1000, statistics.median(nothings) * 1000


async def run_nothing(client: Client) -> None:
    await client.execute_workflow(Nothing.run, id=uuid4().hex, task_queue="bench")


async def timed(work: Callable[[], Awaitable[None]]) -> float:
    began = time.monotonic()
    await work()
    return time.monotonic() - began


def entry(value: float, unit: str, *, target: str, ok: bool, baseline: float | None = None) -> dict[str, Any]:
    return {
        "value": round(value, 2),
        "unit": unit,
        "baseline": round(baseline, 2) if baseline is not None else None,
        "ratio": round(value / baseline, 2) if baseline else None,
        "target": target,
        "ok": ok,
    }


if __name__ == "__main__":
    main()
