"""What the interpreter of flows costs beside workflows written by hand.

    python benchmarks/flows.py [--quick] [--json]

Both run on the same Temporal server and in the same worker, with the same activity, which answers at once; in turns.
`interpreter_time`, `interpreter_events`: a flow of 100 tasks, one after the other, beside a workflow with the same 100
activities (`_10` and `_1000`: as many tasks). `one_task_latency`: one task, alone. `flows_per_s`: one-task flows, 50
in flight.
"""

import statistics
import time
from typing import Any
from uuid import uuid4

from measuring.load import in_flight
from measuring.one_worker import QUEUE, flow_of, one_worker
from measuring.program import report_on_stack
from measuring.report import measure
from resprout.runtime import temporal
from resprout.runtime.settings import Settings
from temporalio.client import Client

AT_MOST = 1.3


async def execute(client: Client, workflow: str, given: Any) -> tuple[float, int]:
    """Seconds and events."""
    began = time.perf_counter()
    handle = await client.start_workflow(workflow, given, id=f"bench-{uuid4()}", task_queue=QUEUE)
    await handle.result()
    seconds = time.perf_counter() - began
    return seconds, (await handle.describe()).history_length


async def beside(client: Client, tasks: int, rounds: int) -> tuple[dict[str, Any], dict[str, Any]]:
    flows, by_hand = [], []
    await execute(client, "flow", flow_of(tasks))
    for _ in range(rounds):
        by_hand.append(await execute(client, "by-hand", tasks))
        flows.append(await execute(client, "flow", flow_of(tasks)))
    found = []
    for unit, place in (("s", 0), ("events", 1)):
        ours = statistics.median(one[place] for one in flows)
        theirs = statistics.median(one[place] for one in by_hand)
        found.append(measure(ours, unit, f"at most {AT_MOST} times", ok=ours <= AT_MOST * theirs, baseline=theirs))
    return found[0], found[1]


async def run(client: Client, *, quick: bool) -> dict[str, Any]:
    measures: dict[str, Any] = {}
    sizes = {10: 5, 100: 3} if quick else {10: 21, 100: 7, 1000: 3}
    for tasks, rounds in sizes.items():
        name = "" if tasks == 100 else f"_{tasks}"
        measures[f"interpreter_time{name}"], measures[f"interpreter_events{name}"] = await beside(client, tasks, rounds)
    alone = [
        (await execute(client, "by-hand", 1), await execute(client, "flow", flow_of(1)))
        for _ in range(20 if quick else 200)
    ]
    ours, theirs = (statistics.median(one[n][0] for one in alone) for n in (1, 0))
    measures["one_task_latency"] = measure(
        ours * 1e3, "ms", f"at most {AT_MOST} times", ok=ours <= AT_MOST * theirs, baseline=theirs * 1e3
    )
    seconds = 5 if quick else 20
    theirs_rate = await in_flight(lambda _: execute(client, "by-hand", 1), 50, seconds=seconds)
    rate = await in_flight(lambda _: execute(client, "flow", flow_of(1)), 50, seconds=seconds)
    measures["flows_per_s"] = measure(rate.rate, "flows/s", baseline=theirs_rate.rate)
    return measures


async def main_on(settings: Settings, *, quick: bool) -> dict[str, Any]:
    client = await temporal.client_of(settings)
    async with one_worker(client):
        return await run(client, quick=quick)


if __name__ == "__main__":
    report_on_stack("flows", __doc__, main_on)
