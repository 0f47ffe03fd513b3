"""The cache saves work, and never costs any."""

from pathlib import Path
from typing import Any
from uuid import uuid4

from runs.test_tools import file, until_exists, world
from support.flow_tasks import step
from support.runs import Runs

__all__ = ["file"]


def cached(id: str, key: str, **words: Any) -> dict[str, Any]:  # noqa: A002
    return step(id, cache={"key": key}, **words)


async def test_a_task_that_was_changed_does_not_find_what_it_gave_before(runs: Runs) -> None:
    agent, key = f"step/{uuid4().hex}", uuid4().hex

    old = await runs.result([cached("a", key, agent=agent, do={"value": "old"})])
    renamed = await runs.result([cached("a", key, agent=agent, do={"value": "old"}, name="The same", timeout="1m")])
    new = await runs.result([cached("a", key, agent=agent, do={"value": "new"})])

    assert old == renamed
    assert new["value"] == "new"


async def test_an_output_from_the_cache_is_not_undone(runs: Runs) -> None:
    agent, key, log = f"step/{uuid4().hex}", uuid4().hex, f"step/log-{uuid4().hex}"
    booked = cached("a", key, agent=agent, compensate=[step("undo", agent=log, do={})])
    await runs.result([booked])

    run = await runs.start([booked, step("bad", do={"fail": 9})])

    assert "AgentFailed" in await run.failure()
    assert "undo" not in [task["key"] for task in (await run.state())["tasks"]]


async def test_an_output_that_is_too_large_for_the_cache_is_an_output_all_the_same(runs: Runs) -> None:
    inside = {"over": [1, 2], "do": [step("a", do={"size": 700_000})]}
    block = {"id": "lp", "cache": {"key": "${{ run.id }}"}, "loop": inside}

    assert await runs.result([block], outputs={"n": "${{ size(tasks.lp.output) }}"}) == {"n": 2}


async def test_a_paused_run_does_not_look_into_the_cache(runs: Runs, file: Path) -> None:
    gate = file.with_name("gate")
    run = await runs.start([world("safe", file, before=str(gate)), cached("b", "${{ run.id }}")])
    await until_exists(Path(f"{file}.intended"))

    await run.handle.execute_update("pause")
    gate.touch()
    await run.reach("b", "waiting")

    history = await run.handle.fetch_history()
    begun = [event for event in history.events if event.HasField("activity_task_scheduled_event_attributes")]
    assert len(begun) == 1
    await run.handle.terminate("seen")
