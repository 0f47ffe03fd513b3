"""Runs and tasks in flight go on when our workflows change: these do again what recorded histories say they did."""

from pathlib import Path

import pytest
from resprout.runtime.payloads import data_converter
from resprout.runtime.worker import workflow_runner
from resprout.workflows.kinds import ALL
from support.histories import load, recorded
from temporalio.worker import Replayer

HISTORIES = recorded()


def test_every_word_is_in_a_recorded_history() -> None:
    words = {"ask", "flow", "sequential", "parallel", "condition", "loop", "approval", "wait", "emit", "try"}
    words |= {"compensate", "retry", "timeout", "cache", "needs", "if", "goal"}
    told = [event for path in HISTORIES for event in load(path).events[:1]]
    texts = "".join(str(event.workflow_execution_started_event_attributes.input.payloads[0].data) for event in told)

    assert {word for word in words if f'"{word}"' in texts} == words


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.name.removesuffix(".json.gz"))
async def test_a_recorded_history_replays(path: Path) -> None:
    replayer = Replayer(workflows=ALL, workflow_runner=workflow_runner(), data_converter=data_converter)

    await replayer.replay_workflow(load(path))
