"""What a long turn of an agent costs: its histories, its time, and a worker that is killed in the middle.

    python benchmarks/agent_run.py [--quick] [--json] [--only PART,...]

A conversation of 209,000 tokens, then one turn in it with 100 calls of a tool, one after the other, 5 KB each
(temporalio/sdk-python issue 1890); the model is a server of this benchmark that answers at once. `history_bytes_100`:
all histories of this turn; beside the usual way, where the workflow gives the whole conversation to an activity each
time, and Temporal ends it at 50 MB: at which call, tells `usual_way_ended_at_call`. `history_bytes_1000`: the same with
1,000 calls, beside ten times the one with 100 (left out by --quick). `turn_s_…`: how long they take, and `model_s_…`,
how much of that the model did. `loop_overhead_ms`: a decision less what the model took of it, in a short conversation,
beside a bare activity in the same worker. `worker_kill_recovery_s`: kill -9 of the worker, until a step has ended by
the hand of another; `worker_kill_repeated`: calls of the model that were made again.
"""

import argparse
import asyncio
import os
import signal
import statistics
import sys
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import psutil
from measuring import agent_worker, usual_loop
from measuring.histories import Kept, goes_on, kept, steps
from measuring.report import keep_stdout, measure, print_report
from measuring.scripted_model import ScriptedModel, scripted_model
from measuring.stack import Stack, running
from resprout.activities.contracts import DECIDE
from resprout.runtime import temporal
from resprout.runtime.agent_runs import agent_run_input
from resprout.runtime.settings import Settings
from resprout.runtime.stack.find import attach
from resprout.runtime.stack.supervisor import GOOD_LIFE
from resprout.workflows.agent_run.run_input import TASK_TIMEOUT, AgentResult
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

LONG_PAGES = 14  # of 60,000 characters
VOLUME, SHORT_TURN, TO_BE_KILLED = f"volume-{LONG_PAGES}", "counts-20", "pages-40"
MODELS = (VOLUME, "pages-100", "pages-1000", SHORT_TURN, TO_BE_KILLED)
MOST_BYTES_100 = 1_000_000
MOST_OVERHEAD = 1.3
MOST_RECOVERY = 4.0  # seconds
LINEAR = 1.1
SECONDS = "SELECT seconds FROM resprout.model_calls WHERE run = $1 ORDER BY id"
Measures = dict[str, dict[str, Any]]


class Bench:
    def __init__(
        self, stack: Stack, settings: Settings, client: Client, rows: asyncpg.Pool, model: ScriptedModel, *, quick: bool
    ) -> None:
        self.stack, self.settings, self.client, self.rows, self.model = stack, settings, client, rows, model
        self.quick = quick
        self.bytes_100: int | None = None

    async def long_turn(self) -> Measures:
        ours = await self._turn(100)
        theirs, calls = await self._usual_way(100)
        self.bytes_100 = ours.size
        return {
            "history_bytes_100": measure(
                ours.size, "bytes", "under 1 MB", ok=ours.size < MOST_BYTES_100, baseline=theirs.size
            ),
            "history_events_100": measure(ours.events, "events", baseline=theirs.events),
            "usual_way_ended_at_call": measure(calls, "calls of 100"),
            **await self._times(ours, 100),
        }

    async def longer_turn(self) -> Measures:
        ours = await self._turn(1000)
        tenfold = self.bytes_100 * 10 if self.bytes_100 is not None else None
        return {
            "history_bytes_1000": measure(
                ours.size,
                "bytes",
                f"at most {LINEAR} times ten of 100 calls",
                ok=tenfold is not None and ours.size <= LINEAR * tenfold,
                baseline=tenfold,
            ),
            "history_events_1000": measure(ours.events, "events"),
            "histories_1000": measure(ours.histories, "histories"),
            **await self._times(ours, 1000),
        }

    async def _turn(self, calls: int) -> Kept:
        """In a conversation that was long before."""
        key = f"long-{uuid4().hex[:8]}"
        await (await self._start(VOLUME, agent=key)).result()
        handle = await self._start(f"pages-{calls}", agent=key, max_iterations=calls + 10)
        _is_whole(await handle.result(), calls)
        return await kept(self.client, handle.id, handle.first_execution_run_id)

    async def _times(self, ours: Kept, calls: int) -> Measures:
        thought = sum(row["seconds"] for row in await self.rows.fetch(SECONDS, ours.id))
        return {
            f"turn_s_{calls}": measure(ours.seconds, "s"),
            f"model_s_{calls}": measure(thought, "s"),
            f"call_ms_{calls}": measure((ours.seconds - thought) / calls * 1e3, "ms"),
        }

    async def _usual_way(self, calls: int) -> tuple[Kept, int]:
        """By a client that keeps nothing aside, as the SDK comes."""
        client = await Client.connect(str(self.settings.temporal.address), namespace=self.settings.temporal.namespace)
        given = {"long_pages": LONG_PAGES, "calls": calls}
        async with usual_loop.usual_worker(client) as model:
            handle = await client.start_workflow(
                "usual-loop", given, id=f"bench-usual-{uuid4()}", task_queue=usual_loop.QUEUE
            )
            try:
                await handle.result()
            except WorkflowFailureError as error:
                print(f"the usual way ended at call {model.calls}: {error.cause}", file=sys.stderr)
            return await kept(self.client, handle.id, handle.first_execution_run_id), model.calls

    async def overhead(self) -> Measures:
        decisions: list[float] = []
        bares: list[float] = []
        async with agent_worker.agent_worker(self.client, self.settings):
            await self._decisions()
            for _ in range(2 if self.quick else 15):
                bares += await self._bare()
                decisions += await self._decisions()
        decision, bare = statistics.median(decisions) * 1e3, statistics.median(bares) * 1e3
        return {
            "loop_overhead_ms": measure(
                decision,
                "ms",
                f"at most {MOST_OVERHEAD} times a bare activity",
                ok=decision <= MOST_OVERHEAD * bare,
                baseline=bare,
            )
        }

    async def _decisions(self) -> list[float]:
        handle = await self._start(SHORT_TURN, queue=agent_worker.QUEUE, tools=("text.count",))
        _is_whole(await handle.result(), 20)
        thought = [row["seconds"] for row in await self.rows.fetch(SECONDS, handle.id)]
        return [took - model for took, model in zip(await steps(handle, DECIDE), thought, strict=True)]

    async def _bare(self) -> list[float]:
        handle = await self.client.start_workflow(
            "bare-steps", 20, id=f"bench-bare-{uuid4()}", task_queue=agent_worker.QUEUE
        )
        await handle.result()
        return await steps(handle, agent_worker.BARE)

    async def worker_kill(self) -> Measures:
        taken, repeated = [], 0
        for _ in range(1 if self.quick else 3):
            asked = self.model.asked[TO_BE_KILLED]
            taken.append(await self._killed_in_the_middle(asked + 15))
            repeated += self.model.asked[TO_BE_KILLED] - asked - 41
        recovery = statistics.median(taken)
        return {
            "worker_kill_recovery_s": measure(recovery, "s", "under 4", ok=recovery < MOST_RECOVERY),
            "worker_kill_recovery_worst_s": measure(max(taken), "s"),
            "worker_kill_repeated": measure(repeated, "calls", "none", ok=repeated == 0),
        }

    async def _killed_in_the_middle(self, asked: int) -> float:
        services = await asyncio.to_thread(self.stack.services)
        pid = int(services["worker"]["pid"])
        if not self.quick:  # who dies young is started again later and later: here it is the first death of a worker
            await asyncio.sleep(psutil.Process(pid).create_time() + GOOD_LIFE.total_seconds() + 1 - time.time())
        handle = await self._start(TO_BE_KILLED)
        while self.model.asked[TO_BE_KILLED] < asked:  # noqa: ASYNC110 - another process asks
            await asyncio.sleep(0.005)
        os.kill(pid, signal.SIGKILL)
        killed_at = datetime.now(UTC)
        recovered_at = await goes_on(handle, pid)
        _is_whole(await handle.result(), 40)
        return (recovered_at - killed_at).total_seconds()

    async def _start(
        self, model: str, *, queue: str | None = None, tools: tuple[str, ...] = ("bench.page",), **words: Any
    ) -> "WorkflowHandle[Any, AgentResult]":
        given = agent_run_input(
            goal="Do what there is to do.", model=f"bench/{model}", tools=tools, **{"max_iterations": 100, **words}
        )
        return await self.client.start_workflow(
            "agent",
            given,
            id=f"bench-{model}-{uuid4().hex[:8]}",
            task_queue=queue or self.settings.temporal.task_queue,
            result_type=AgentResult,
            task_timeout=TASK_TIMEOUT,  # as whoever starts one by our command line or client
        )


def _is_whole(result: AgentResult, calls: int) -> None:
    assert (result.status, result.tool_calls, result.compactions) == ("answered", calls, 0), result


async def run(stack: Stack, model: ScriptedModel, *, quick: bool, only: set[str]) -> Measures:
    settings = attach(Settings(data_dir=stack.data_dir), "temporal.address", "postgres.dsn")
    assert settings.postgres.dsn is not None
    async with asyncpg.create_pool(settings.postgres.dsn.get_secret_value(), min_size=1) as rows:
        bench = Bench(stack, settings, await temporal.client_of(settings), rows, model, quick=quick)
        parts = [bench.long_turn, *(() if quick else (bench.longer_turn,)), bench.overhead, bench.worker_kill]
        measures: Measures = {}
        for part in parts:
            if not only or part.__name__ in only:
                measures |= await part()
        return measures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under a minute, without the turn of 1,000 calls")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", default="", help="parts, as in overhead,worker_kill")
    arguments = parser.parse_args()
    only = {name for name in arguments.only.split(",") if name}
    keep_stdout()
    temporal.keep_retries_quiet()  # the usual way is warned of the size of its payloads, on standard output
    with (
        scripted_model(MODELS) as model,
        running({**model.environment, "RESPROUT_AGENTS_MODULES": "measuring.pages"}) as stack,
    ):
        measures = asyncio.run(run(stack, model, quick=arguments.quick, only=only))
    print_report("agent_run", measures, as_json=arguments.json)


if __name__ == "__main__":
    main()
