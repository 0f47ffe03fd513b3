"""Pausing a run, and the status by which it is found."""

from resprout.workflows import search_attributes
from support.flow_tasks import step
from support.runs import Run, Runs
from support.waiting import until_found

from .test_constructs import child


async def found_as(run: Run, status: str) -> None:
    await until_found(
        run.handle.describe,
        lambda found: found.typed_search_attributes.get(search_attributes.STATUS) == status,
        patience=30,
    )


async def test_a_run_can_be_paused_while_its_children_begin_and_end(runs: Runs) -> None:
    naps = [{"id": f"c{n}", "flow": "./child.flow.yaml", "with": {"n": n}} for n in range(5)]
    run = await runs.start_with_children(
        [{"id": "all", "parallel": naps}, {"id": "w", "wait": {"signal": "go"}}],
        {"./child.flow.yaml": child([step("x", agent="@x${{ inputs.n }}")])},
    )

    for _ in range(4):
        await run.handle.execute_update("pause")
        await run.handle.execute_update("resume")

    await run.handle.signal("go", "on")
    assert await run.result() == "on"


async def test_a_run_in_which_only_people_are_waited_for_is_found_as_waiting(runs: Runs) -> None:
    both = {"id": "p", "parallel": [{"id": "ok", "approval": {}}, step("a", do={"think_seconds": 1})]}
    run = await runs.start([both, step("b", do={"think_seconds": 1})])

    await found_as(run, "waiting")
    await run.handle.execute_update("answer", {"decision": "approve", "by": "ada"})
    await found_as(run, "running")

    await run.result()
