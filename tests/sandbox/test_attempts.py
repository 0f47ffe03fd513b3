"""An attempt that is cancelled ends its work when somebody wants that, and only then."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from resprout.activities.ask_agent import AskAgent
from resprout.activities.attempt import none_left_behind
from resprout.activities.call_tool import CallTool
from resprout.activities.contracts import AskInput, SandboxInput, ToolDone, ToolInput
from resprout.activities.results_aside import Keep
from resprout.activities.run_sandbox import RunSandbox
from resprout.activities.sandbox.sandboxes import Sandboxes
from resprout.activities.sandbox.spec import SandboxSpec
from resprout.activities.tools.calling import ToolCaller
from resprout.activities.tools.counted import CallsLeft
from resprout.activities.tools.doubts import Doubts
from resprout.actors.envelope import Envelope, Replied
from resprout.actors.roles import Greet
from resprout.memory.database import Database
from sandbox.test_once import python, sandboxes
from temporalio.activity import ActivityCancellationDetails
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.testing import ActivityEnvironment

SLOW = "print('begun', flush=True); import time; time.sleep({}); print('ended')"
ENDLESS, ENDING = python(SLOW.format(240), limits={"time": "5m"}), python(SLOW.format(6))
OVER = ActivityCancellationDetails(not_found=True)
STEP = ActivityEnvironment.default_info().activity_id


def temporal(status: WorkflowExecutionStatus, *pending: str, state: str = "STARTED") -> Client:
    """Which answers how the run is, and what it waits for."""
    number = PendingActivityState.Value(f"PENDING_ACTIVITY_STATE_{state}")
    waits = SimpleNamespace(pending_activities=[SimpleNamespace(activity_id=one, state=number) for one in pending])
    run = SimpleNamespace(status=status, raw_description=waits)

    async def describe(**_: Any) -> Any:
        return run

    return cast("Client", SimpleNamespace(get_workflow_handle=lambda *_, **__: SimpleNamespace(describe=describe)))


async def cancelled(
    box: Sandboxes, client: Client, details: ActivityCancellationDetails, spec: SandboxSpec = ENDLESS
) -> None:
    """An attempt at the run, when it has begun."""
    environment, begun = ActivityEnvironment(client=client), asyncio.Event()
    environment.on_heartbeat = lambda progress: begun.set() if "begun" in progress.stdout.text else None
    attempt = asyncio.create_task(attempted(box, environment, spec))
    async with asyncio.timeout(60):
        await begun.wait()
    environment.cancel(cancellation_details=details)
    await asyncio.wait({attempt})


async def attempted(box: Sandboxes, environment: ActivityEnvironment, spec: SandboxSpec) -> Any:
    return await environment.run(RunSandbox(box).run, SandboxInput(spec=spec))


ANOTHER_ATTEMPT = temporal(WorkflowExecutionStatus.RUNNING, STEP)


@pytest.mark.parametrize(
    ("client", "details"),
    [
        (ANOTHER_ATTEMPT, ActivityCancellationDetails(cancel_requested=True)),
        (temporal(WorkflowExecutionStatus.RUNNING), OVER),
        (temporal(WorkflowExecutionStatus.CANCELED, STEP), OVER),
        (temporal(WorkflowExecutionStatus.TERMINATED), OVER),
        (temporal(WorkflowExecutionStatus.RUNNING, STEP, state="CANCEL_REQUESTED"), OVER),
    ],
    ids=["asked", "waited for no more", "run cancelled", "run terminated", "another attempt was asked"],
)
async def test_what_nobody_waits_for_is_ended(
    database: Database, client: Client, details: ActivityCancellationDetails
) -> None:
    box = sandboxes(database)

    await cancelled(box, client, details)

    assert (await attempted(box, ActivityEnvironment(), ENDLESS)).ended == "cancelled"


@pytest.mark.parametrize(
    "details",
    [OVER, ActivityCancellationDetails(not_found=True, timed_out=True), ActivityCancellationDetails(paused=True)],
    ids=["another attempt", "timed out", "paused"],
)
async def test_what_another_attempt_waits_for_goes_on(database: Database, details: ActivityCancellationDetails) -> None:
    box, other = sandboxes(database), sandboxes(database)
    alive = asyncio.create_task(box.keep_alive())

    await cancelled(box, ANOTHER_ATTEMPT, details, ENDING)

    assert (await attempted(other, ActivityEnvironment(), ENDING)).stdout.text == "begun\nended\n"
    alive.cancel()


async def test_what_goes_on_without_an_attempt_ends_with_the_process(database: Database) -> None:
    box = sandboxes(database)
    async with none_left_behind():
        await cancelled(box, ANOTHER_ATTEMPT, OVER)
        box.leave()

    assert box.once is not None
    assert box.once.under_way == set()


async def test_what_goes_on_without_an_attempt_ends_with_its_step(database: Database) -> None:
    box = sandboxes(database)
    await cancelled(box, ANOTHER_ATTEMPT, OVER)
    environment, waits = ActivityEnvironment(client=ANOTHER_ATTEMPT), asyncio.Event()
    environment.on_heartbeat = lambda _: waits.set()
    again = asyncio.create_task(attempted(box, environment, ENDLESS))
    async with asyncio.timeout(20):
        await waits.wait()

    environment.cancel(cancellation_details=ActivityCancellationDetails(cancel_requested=True))
    await asyncio.wait({again})

    assert (await attempted(box, ActivityEnvironment(), ENDLESS)).ended == "cancelled"


@dataclass(frozen=True)
class Calls:
    """A caller of tools whose one call lasts until it may end, and what became of that."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    became: list[str] = field(default_factory=list)
    is_leaving: Callable[[], bool] = lambda: False

    async def call(self, request: ToolInput, run: str) -> ToolDone:
        self.begun.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.became.append("left to the next" if self.is_leaving() else "cancelled")
            raise
        self.became.append("done")
        return ToolDone(tool="t", output=None)


REQUEST = ToolInput(step="s", task="t", tool="t", arguments={}, chain=("user:ada",))
ASKED, LEAVES = ActivityCancellationDetails(cancel_requested=True), ActivityCancellationDetails(worker_shutdown=True)


@pytest.mark.parametrize(
    ("details", "became"),
    [(OVER, "done"), (ASKED, "cancelled"), (LEAVES, "left to the next")],
    ids=["another attempt", "asked", "the worker leaves"],
)
async def test_a_call_of_a_tool_is_cancelled_by_who_wants_that(
    details: ActivityCancellationDetails, became: str
) -> None:
    calls, environment = Calls(), ActivityEnvironment(client=ANOTHER_ATTEMPT)
    activity = CallTool(cast("ToolCaller", calls), cast("Doubts", None), cast("CallsLeft", None), cast("Keep", None))
    attempt = asyncio.create_task(environment.run(activity.call, REQUEST))
    await calls.begun.wait()

    environment.cancel(cancellation_details=details)
    await asyncio.wait({attempt})
    calls.may_end.set()

    async with asyncio.timeout(5):
        while not calls.became:
            await asyncio.sleep(0)
    assert calls.became == [became]


class Unanswering:
    """Agents that never answer."""

    def __init__(self) -> None:
        self.asked, self.taken_back = asyncio.Event(), False

    async def ask(self, envelope: Envelope) -> Replied:
        self.asked.set()
        return await asyncio.Future()

    def cancel(self, envelope: Envelope) -> None:
        self.taken_back = True


@pytest.mark.parametrize(
    ("details", "is_taken_back"),
    [(OVER, False), (ASKED, True), (LEAVES, False)],
    ids=["another attempt", "asked", "the worker leaves"],
)
async def test_a_question_is_taken_back_by_who_wants_that(
    details: ActivityCancellationDetails, is_taken_back: bool
) -> None:
    agents, environment = Unanswering(), ActivityEnvironment(client=ANOTHER_ATTEMPT)
    asks = AskInput(agent="greeter/ada", message=Greet.message_name, body={"name": "Ada"}, timeout_seconds=60)
    attempt = asyncio.create_task(environment.run(AskAgent(agents).ask, asks))
    async with asyncio.timeout(5):
        await agents.asked.wait()

    environment.cancel(cancellation_details=details)
    await asyncio.wait({attempt})

    assert agents.taken_back == is_taken_back


class Answering:
    async def ask(self, envelope: Envelope) -> Replied:
        return Replied()

    def cancel(self, envelope: Envelope) -> None:
        raise AssertionError("nothing was asked that is to be taken back")


async def test_what_ends_at_once_costs_no_heartbeat() -> None:
    heartbeats: list[Any] = []
    environment = ActivityEnvironment(client=ANOTHER_ATTEMPT)
    environment.on_heartbeat = lambda *told: heartbeats.append(told)

    await environment.run(
        AskAgent(Answering()).ask, AskInput(agent="greeter/ada", message=Greet.message_name, body={"name": "Ada"})
    )

    assert heartbeats == []
