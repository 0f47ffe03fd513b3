"""Runs that go on from others: retried from where they failed, or forked from some task."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..actors.errors import Rejected
from ..workflows.flow import Flow
from ..workflows.interpreter.again import ENDED_WELL, kept_for_fork, kept_for_retry, with_outputs
from ..workflows.interpreter.run_input import Carried, Finished, RunInput
from .flow_start import check_inputs
from .run_errors import not_of_a_flow
from .run_watch import failure_of
from .runs import FLOW, RunRef, Runs

_AGAIN = re.compile(r"-(retry|fork)-\d+$")


async def retried(runs: Runs, id: str, new_id: str | None = None) -> RunRef:  # noqa: A002
    """Raises Rejected when the run has not failed or been cancelled."""
    run = runs.get(id)
    row = await run.describe()
    if row.is_open:
        raise Rejected(f"{id} goes on ({row.status}): only a run that has failed or was cancelled can be retried.")
    if row.status == "completed":
        raise Rejected(
            f"{id} was completed: start it anew, or from some task with `resprout runs fork {id} --from TASK`."
        )
    failure = await failure_of(run)
    if failure is not None and failure.never_began:
        raise Rejected(f"{id} never began: {failure.reason} Mend that, and start it anew with `resprout run`.")
    story = await _story(run, row.kind)
    kept = kept_for_retry(Flow.model_validate(story.given.flow), story.finished, story.begun)
    return await runs.start(story.going_on(story.given, kept), new_id or await _free(runs, id, "retry"))


async def forked(
    runs: Runs,
    id: str,  # noqa: A002
    task: str,
    new_id: str | None = None,
    *,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
) -> RunRef:
    """From `task` on, with some inputs and outputs of tasks changed. The run itself is left as it is."""
    run = runs.get(id)
    row = await run.describe()
    story = await _story(run, row.kind)
    flow = Flow.model_validate(story.given.flow)
    changed = story.given.model_copy(update={"inputs": {**story.given.inputs, **inputs}})
    check_inputs(flow, changed.inputs)
    kept = with_outputs(flow, kept_for_fork(flow, story.finished, story.begun, task), outputs)
    return await runs.start(story.going_on(changed, kept), new_id or await _free(runs, id, "fork"))


@dataclass(frozen=True)
class _Story:
    """What a run was given, and what became of it."""

    given: RunInput
    finished: dict[str, Finished]
    begun: list[str]  # tasks that have not ended
    signals: dict[str, list[Any]]  # that came early: the new run waits for them, too

    def going_on(self, given: RunInput, kept: dict[str, Finished]) -> RunInput:
        return given.model_copy(update={"carried": Carried(finished=kept, signals=self.signals)})


async def _story(run: RunRef, kind: str) -> _Story:
    if kind != FLOW:
        raise not_of_a_flow(run.id, kind)
    given = await run.given()
    state = await run.state()
    begun = [task["key"] for task in state["tasks"] if task["status"] not in ENDED_WELL]
    return _Story(given, await run.finished(), begun, await run.early_signals())


async def _free(runs: Runs, id: str, word: str) -> str:  # noqa: A002
    """The first id of this kind that no run has: an id is never taken from a run that has ended."""
    first = _AGAIN.sub("", id)
    number = 1
    while True:
        candidate = f"{first}-{word}-{number}"
        if not await runs.get(candidate).exists():
            return candidate
        number += 1
