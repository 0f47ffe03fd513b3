"""An attempt that is cancelled ends its work when somebody wants that, and only then."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from resprout.activities.attempt import none_left_behind
from resprout.activities.contracts import SandboxInput
from resprout.activities.run_sandbox import RunSandbox
from resprout.activities.sandbox.sandboxes import Sandboxes
from resprout.activities.sandbox.spec import SandboxSpec
from resprout.memory.database import Database
from sandbox.test_once import python, sandboxes
from temporalio.activity import ActivityCancellationDetails
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.testing import ActivityEnvironment

SLOW = "print('begun', flush=True); import time; time.sleep(3); print('ended')"
OVER = ActivityCancellationDetails(not_found=True)


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    opened = await Database.open(dsn, pool_size=4)
    yield opened
    await opened.close()


def temporal(status: WorkflowExecutionStatus, *pending: str) -> Client:
    """Which answers how the run is, and what it waits for."""
    waits = SimpleNamespace(pending_activities=[SimpleNamespace(activity_id=one) for one in pending])
    run = SimpleNamespace(status=status, raw_description=waits)

    async def describe() -> Any:
        return run

    return cast("Client", SimpleNamespace(get_workflow_handle=lambda *_, **__: SimpleNamespace(describe=describe)))


async def cancelled(box: Sandboxes, client: Client, details: ActivityCancellationDetails) -> None:
    """An attempt at the run, when it has begun."""
    environment, begun = ActivityEnvironment(client=client), asyncio.Event()
    environment.on_heartbeat = lambda progress: begun.set() if "begun" in progress.stdout.text else None
    attempt = asyncio.create_task(attempted(box, environment))
    async with asyncio.timeout(20):
        await begun.wait()
    environment.cancel(cancellation_details=details)
    await asyncio.wait({attempt})


async def attempted(box: Sandboxes, environment: ActivityEnvironment) -> Any:
    return await environment.run(RunSandbox(box).run, SandboxInput(spec=SPEC))


SPEC: SandboxSpec = python(SLOW)
ANOTHER_ATTEMPT = temporal(WorkflowExecutionStatus.RUNNING, ActivityEnvironment.default_info().activity_id)


@pytest.mark.parametrize(
    ("client", "details"),
    [
        (ANOTHER_ATTEMPT, ActivityCancellationDetails(cancel_requested=True)),
        (temporal(WorkflowExecutionStatus.RUNNING), OVER),
        (temporal(WorkflowExecutionStatus.CANCELED, ActivityEnvironment.default_info().activity_id), OVER),
        (temporal(WorkflowExecutionStatus.TERMINATED), OVER),
    ],
    ids=["asked", "waited for no more", "run cancelled", "run terminated"],
)
async def test_what_nobody_waits_for_is_ended(
    database: Database, client: Client, details: ActivityCancellationDetails
) -> None:
    box = sandboxes(database)

    await cancelled(box, client, details)

    assert (await attempted(box, ActivityEnvironment())).ended == "cancelled"


@pytest.mark.parametrize(
    "details",
    [OVER, ActivityCancellationDetails(not_found=True, timed_out=True), ActivityCancellationDetails(paused=True)],
    ids=["another attempt", "timed out", "paused"],
)
async def test_what_another_attempt_waits_for_goes_on(database: Database, details: ActivityCancellationDetails) -> None:
    box, other = sandboxes(database), sandboxes(database)
    alive = asyncio.create_task(box.keep_alive())

    await cancelled(box, ANOTHER_ATTEMPT, details)

    assert (await attempted(other, ActivityEnvironment())).stdout.text == "begun\nended\n"
    alive.cancel()


async def test_what_goes_on_without_an_attempt_ends_with_the_process(database: Database) -> None:
    box = sandboxes(database)
    async with none_left_behind():
        await cancelled(box, ANOTHER_ATTEMPT, OVER)
        box.leave()

    assert box.under_way == set()
