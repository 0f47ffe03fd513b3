"""What a call of a tool costs: beside a bare activity, and its decision alone.

    python benchmarks/tools.py [--quick] [--json]

`tool_overhead_ms`: a trivial tool as a durable step (the task `tool` of a flow), less a bare activity that answers at
once, both one after the other in the same run on the same server and worker, in turns; the median of differences.
`decision_us_cached` and `decision_us`: what policy takes to answer a question that it has answered before, and one
that it has not; `decision_us_200_grants`: that one, of a call that connects, where 200 grants are in force.
`decision_loop_us`: how long the event loop of the process is kept busy by one of these.
`audit_rows_per_s`: decisions written into the audit log, each in a commit of its own, 16 at once and one by one.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from measuring.program import report_on_stack
from measuring.report import measure
from measuring.tool_worker import QUEUE, TEXT, tool_worker
from resprout.activities.tools.manifest import Permission
from resprout.activities.tools.policy import Question
from resprout.memory.audit import Audit, AuditEvent
from resprout.memory.database import Database
from resprout.memory.grants import Grant, Grants
from resprout.runtime import temporal
from resprout.runtime.policy.policy import FixedGrants, Policy
from resprout.runtime.policy.rules import load
from resprout.runtime.settings import Settings
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


async def decisions(database: Database, asked: int) -> dict[str, Any]:
    asker = Asker(Policy(load(), Grants(database.opened)))
    new = await asker.us([_question(f"user:{n}") for n in range(asked)])
    cached = await asker.us([_question(f"user:{n}") for n in range(asked)])
    among = Asker(Policy(load(), FixedGrants(_grants(200))))
    connecting = (Permission(action="net.connect", on="h7.example.org:443"),)
    among_200 = await among.us([_question(f"user:{n}", connecting) for n in range(asked)])
    return {
        "decision_us": measure(new, "us"),
        "decision_us_200_grants": measure(among_200, "us", baseline=new),
        "decision_loop_us": measure(statistics.median(among.on_loop), "us", baseline=among_200),
        "decision_us_cached": measure(cached, "us", baseline=new),
    }


class Asker:
    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.on_loop: list[float] = []  # the loop's own time for each

    async def us(self, questions: Sequence[Question]) -> float:
        return statistics.median([await self._us(one) for one in questions])

    async def _us(self, question: Question) -> float:
        began, own = time.perf_counter(), time.thread_time()
        await self.policy.decide(question)
        self.on_loop.append((time.thread_time() - own) * 1e6)
        return (time.perf_counter() - began) * 1e6


def _question(who: str, permissions: tuple[Permission, ...] = ()) -> Question:
    return Question(
        chain=(who, "run:bench"), tenant="default", run="bench", action="tool.call", tool="text.count",
        version="1.0.0", newest="1.0.0", source="built-in", arguments={"text": TEXT}, permissions=permissions,
    )  # fmt: skip


def _grants(count: int) -> list[Grant]:
    """Of everything to everybody, each for another host."""
    return [Grant("default", "*", actions=(f"net.connect:h{n}.example.org:443",), id=n + 1) for n in range(count)]


async def audit_rows(database: Database, rows: int) -> dict[str, Any]:
    log = Audit(database.opened)
    event = AuditEvent(kind="decided", tenant="default", chain=("user:bench",), tool="text.count", verdict="allow")

    async def rate(at_once: int) -> float:
        left, began = iter(range(rows)), time.perf_counter()

        async def append() -> None:
            for _ in left:
                await log.append([event])

        await asyncio.gather(*(append() for _ in range(at_once)))
        return rows / (time.perf_counter() - began)

    await rate(16)  # opens the connections
    alone = await rate(1)
    return {"audit_rows_per_s": measure(await rate(16), "rows/s", baseline=alone)}


async def run(settings: Settings, *, quick: bool) -> dict[str, Any]:
    client = await temporal.client_of(settings)
    async with tool_worker(client, settings):
        measures = await overhead(client, 7 if quick else 41)
    assert settings.postgres.dsn is not None
    dsn = settings.postgres.dsn.get_secret_value()
    async with await Database.open(dsn, pool_size=16, resets=False) as database:
        measures |= await decisions(database, 200 if quick else 2_000)
        return measures | await audit_rows(database, 300 if quick else 3_000)


if __name__ == "__main__":
    report_on_stack("tools", __doc__, run)
