"""What is beyond a limit of ours or of Temporal's: it waits its turn, or fails in words that can be caught."""

from typing import Any
from uuid import uuid4

import pytest
from support.flow_tasks import step
from support.runs import Runs

FLOW = {"flow": {"name": "test"}, "tasks": [{"id": "t", "wait": {"duration": "1ms"}}]}


def caught(*tasks: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"id": "t", "try": list(tasks), "catch": [step("caught", do={"value": "${{ error.type }}"})]}]


async def test_messages_of_more_than_one_packet_of_temporals_are_sent_one_packet_after_the_other(runs: Runs) -> None:
    do = [step("one", agent="@one${{ loop.item % 10 }}", do={"value": "x" * 50_000})]
    loop = {"over": list(range(100)), "max_parallel": 100, "do": do}

    output = await runs.result([{"id": "lp", "loop": loop}], outputs={"n": "${{ size(tasks.lp.output) }}"})

    assert output == {"n": 100}


@pytest.mark.parametrize(
    "wait", [{"duration": "${{ 1e20 }}"}, {"duration": "${{ true }}"}, {"until": "${{ '2999-01-01T00:00:00Z' }}"}]
)
async def test_a_length_of_time_that_is_none_can_be_caught(runs: Runs, wait: dict[str, Any]) -> None:
    assert (await runs.result(caught({"id": "w", "wait": wait})))["value"] == "Unfit"


async def test_a_child_flow_whose_id_is_taken_fails_in_words(runs: Runs) -> None:
    name = uuid4().hex[:10]
    nap = {"flow": {"flow": {"name": "t"}, "tasks": [{"wait": {"duration": "60s"}}]}}
    other = await runs.client.start_workflow("flow", nap, id=f"run-{name}/c", task_queue="resprout")
    words = {
        "flow": {
            "flow": {"name": "test"},
            "tasks": caught({"id": "c", "flow": "./c.flow.yaml"}),
        },
        "children": {"./c.flow.yaml": {"document": FLOW, "hash": "h"}},
    }

    run = await runs.begin(name, words)

    assert (await run.result())["value"] == "IdTaken"
    await other.terminate("seen")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"tags": ["t" * 201]}, "tags.0: String should have at most 200 characters"),
        ({"tenant": "t" * 201}, "tenant: String should have at most 200 characters"),
        ({"tags": [f"t{n}" for n in range(21)]}, "tags: Tuple should have at most 20 items"),
    ],
)
async def test_what_a_run_is_found_by_has_a_bound(runs: Runs, words: dict[str, Any], says: str) -> None:
    run = await runs.begin(uuid4().hex[:10], {"flow": FLOW, **words})

    assert says in await run.failure()


async def test_a_flow_of_very_many_tasks_that_nobody_has_checked_is_refused_in_words(runs: Runs) -> None:
    tasks = [{"id": f"t{n}", "wait": {"duration": "1ms"}} for n in range(5_001)]

    assert "BadInput: the flow has 5,001 tasks and was not checked before" in await runs.failure(tasks)
