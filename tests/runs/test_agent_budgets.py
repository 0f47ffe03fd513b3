"""Budgets around agents: however many branches think at once, no more is spent than there is."""

import pytest
from runs.test_budgets import budgets
from support.flow_tasks import step
from support.model_server import Turn, Use
from support.providers import Providers
from support.runs import Runs

READ, SAID = 60, 240  # tokens of one call, as the provider counts them
NANOS = READ * 10_000 + SAID * 50_000  # as the list of prices says
THOUGHT = Turn("a thought", input_tokens=READ, output_tokens=SAID)


@pytest.mark.parametrize(
    ("word", "most", "each", "name"),
    [("calls", 5, 1, None), ("tokens", 1_000, READ + SAID, None), ("cost", 0.05, NANOS / 1e9, "priced")],
)
async def test_eight_agents_at_once_spend_no_more_than_their_budget(
    runs: Runs, providers: Providers, word: str, most: float, each: float, name: str | None
) -> None:
    model = providers.will(THOUGHT, name=name)
    goals = [{"id": f"g{n}", "agent": "a", "goal": f"think {n}"} for n in range(8)]
    block = {"id": "all", "budget": {word: most}, "parallel": {"tasks": goals, "on_error": "collect"}}

    run = await runs.start([block], agents={"a": {"model": model}})
    output = await run.result()

    answers = [one for one in output.values() if one == THOUGHT.text]
    errors = [one["error"]["type"] for one in output.values() if one != THOUGHT.text]
    asked = len(providers.heard(model))
    row = budgets(runs, run.handle.id)["all"]
    assert 1 <= asked == len(answers) <= most / each
    assert set(errors) == {"BudgetExceeded"}
    assert row["spent_calls"] == asked
    assert row["spent_tokens"] == asked * (READ + SAID)
    assert row["reserved_calls"] == row["reserved_tokens"] == 0
    if word == "cost":
        assert row["spent_nanos"] == asked * NANOS


async def test_what_an_agent_may_not_spend_can_be_caught(runs: Runs, providers: Providers) -> None:
    model = providers.will(Turn(uses=(Use("text.count", {"text": "a"}),)), Turn("done"))
    who = {"a": {"model": model, "tools": ["text.count"]}}
    goal = {"id": "g", "agent": "a", "goal": "count", "budget": {"calls": 2}, "retry": {"attempts": 3}}
    caught = {"id": "t", "try": [goal], "catch": [step("told", do={"value": "${{ error }}"})]}

    error = (await runs.result([caught], agents=who))["value"]

    assert (error["type"], error["task"]) == ("BudgetExceeded", "g")
    assert "was not asked: the budget of g has 0 of 2 calls left" in error["message"]
    assert providers.positions(model) == [0]


async def test_a_run_of_no_key_is_told_of_its_own_budget_by_its_id(runs: Runs, providers: Providers) -> None:
    model = providers.will(Turn(uses=(Use("text.count", {"text": "a"}),)), Turn("done"))
    run = await runs.agent("count", model, tools=["text.count"], limits={"calls": 2})

    failure = await run.failure()

    assert f"was not asked: the budget of {run.handle.id} has 0 of 2 calls left" in failure


async def test_a_tool_that_a_budget_has_no_room_for_is_told_to_the_agent(runs: Runs, providers: Providers) -> None:
    uses = tuple(Use("text.count", {"text": "a"}) for _ in range(3))
    model = providers.will(Turn(uses=uses), Turn("done"))
    who = {"a": {"model": model, "tools": ["text.count"]}}
    run = await runs.start([{"id": "g", "agent": "a", "goal": "count", "budget": {"calls": 3}}], agents=who)

    failure = await run.failure()

    assert "BudgetExceeded" in failure
    state = await runs.client.get_workflow_handle(f"{run.handle.id}/g").query("state")
    tools = [task["status"] for task in state["tasks"] if task["word"] == "tool"]
    assert sorted(tools) == ["completed", "completed", "failed"]
