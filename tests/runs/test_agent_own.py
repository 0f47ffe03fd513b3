"""The conversation of a run without a key is its own: no later run of the same id goes on with it unasked."""

import json
from uuid import uuid4

import pytest
from runs.test_agent_runs import texts
from runs.test_tools import say
from support.model_server import Turn
from support.providers import Providers
from support.runs import Run, Runs

ENDED = "is that of a run that has ended (completed). Choose another --id; or go on in its conversation with"


@pytest.fixture
def name() -> str:
    return f"own-{uuid4().hex[:8]}"


async def by_hand(runs: Runs, name: str, **words: object) -> Run:
    return Run(await runs.client.start_workflow("agent", words, id=name, task_queue="resprout"), name)


async def test_a_second_run_of_an_id_by_hand_begins_with_nothing_said(
    runs: Runs, providers: Providers, name: str
) -> None:
    first, second = providers.will(Turn("one")), providers.will(Turn("two"))
    before = await (await by_hand(runs, name, goal="count", model=first)).result()

    after = await (await by_hand(runs, name, goal="count again", model=second)).result()

    assert texts(providers.heard(second)[0]) == ["count again"]
    assert before["agent"] != after["agent"]


def test_from_the_command_line_a_used_id_is_refused_with_the_way_to_go_on(
    runs: Runs, providers: Providers, name: str
) -> None:
    model = providers.will(Turn("one"), Turn("two"))
    say(runs, "agent", "run", "count", "--id", name, "--model", model)

    refused = runs.stack("agent", "run", "count again", "--id", name, "--model", model)
    say(runs, "runs", "continue", name, "--goal", "count again", "--id", f"{name}-2")

    assert refused.returncode == 2
    assert f"the id '{name}' {ENDED} `resprout" in refused.stderr
    assert texts(providers.heard(model)[1]) == ["count", "one", "count again"]
    both = [json.loads(say(runs, "agent", "conversation", run, "--json")) for run in (name, f"{name}-2")]
    assert both[0] == both[1]
    assert [line["text"] for line in both[0] if line["role"] == "user"] == ["count", "count again"]


async def test_by_hand_a_run_is_continued_as_its_state_names_it(runs: Runs, providers: Providers, name: str) -> None:
    model = providers.will(Turn("one"), Turn("two"))
    first = await by_hand(runs, name, goal="count", model=model)
    await first.result()
    named = (await first.state())["continues"]

    vague = await by_hand(runs, f"{name}-x", goal="more", continues=name, model=model)
    going_on = await by_hand(runs, f"{name}-2", goal="more", continues=named, model=model)

    assert (await going_on.result())["answer"] == "two"
    assert f"write the run as its state names it, {name}@…" in await vague.failure()
