"""What `resprout run` does when it loses sight of its run."""

import signal
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast
from uuid import uuid4

import pytest
from resprout.actors.errors import OutcomeUnknown
from resprout.runtime.cli import outcome as module
from resprout.runtime.cli.outcome import outcome
from resprout.runtime.settings import TemporalSettings
from support.stack import Stack, eventually
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

SETTINGS = TemporalSettings(address="127.0.0.1:7233", namespace="ours", ui_url="http://ui")


class Run:
    """A handle to a run on a Temporal that is away for so many calls."""

    id, result_run_id = "my run", "r1"

    def __init__(self, calls_away: int, status: RPCStatusCode = RPCStatusCode.UNAVAILABLE) -> None:
        self.answers = self._answers(calls_away, status)

    def _answers(self, calls_away: int, status: RPCStatusCode) -> Iterator[str | RPCError]:
        for _ in range(calls_away):
            yield RPCError("tcp connect error", status, b"")
        while True:
            yield "done"

    async def result(self) -> str:
        if isinstance(answer := next(self.answers), RPCError):
            raise answer
        return answer

    async def describe(self, *, rpc_timeout: timedelta) -> None:
        await self.result()


def handle(run: Run) -> WorkflowHandle[Any, Any]:
    return cast(WorkflowHandle[Any, Any], run)


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BETWEEN_LOOKS", timedelta(seconds=0.01))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ABSENCE", timedelta(seconds=0.2))


async def test_a_short_absence_of_temporal_is_waited_for() -> None:
    assert await outcome(handle(Run(calls_away=3)), SETTINGS) == "done"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("status", [RPCStatusCode.UNAVAILABLE, RPCStatusCode.NOT_FOUND])
async def test_who_loses_sight_of_a_run_is_told_how_to_look_again(status: RPCStatusCode) -> None:
    with pytest.raises(OutcomeUnknown) as caught:
        await outcome(handle(Run(calls_away=10_000, status=status)), SETTINGS)

    said = str(caught.value)
    assert "run my run is unknown" in said
    assert (
        "`temporal workflow show --workflow-id 'my run' --address 127.0.0.1:7233 --namespace ours` "
        "or at http://ui/namespaces/ours/workflows/my%20run/r1/history" in said
    )


def test_an_interrupted_wait_says_that_the_run_goes_on(stack: Stack) -> None:
    name = uuid4().hex
    run = stack.start("run", "hello", "--id", name, "-i", f"name={name}", "-i", "think_seconds=30")
    asked = ["workflow", "describe", "--workflow-id", name, "-o", "json"]
    eventually(lambda: "PENDING_ACTIVITY_STATE_STARTED" in stack.temporal(*asked).stdout, "the agent is asked")

    run.send_signal(signal.SIGINT)

    _, said = run.communicate(timeout=60)
    assert run.returncode == 130
    assert f"run {name} goes on" in said
    described = stack.temporal(*asked).stdout
    assert "STATUS_RUNNING" in described or "STATUS_COMPLETED" in described
    history = stack.temporal("workflow", "show", "--workflow-id", name, "-o", "json").stdout
    assert "EXECUTION_STARTED" in history
    assert "CANCEL_REQUESTED" not in history
    stack.temporal("workflow", "terminate", "--workflow-id", name)
