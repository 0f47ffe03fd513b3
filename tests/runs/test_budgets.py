"""The word `budget` in a run: what branches, child flows and repeated steps spend of it, and who is told."""

import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from resprout.runtime.budget_retention import BudgetRetention
from resprout.runtime.payload_retention import PayloadRetention
from resprout.runtime.settings import Settings
from resprout.runtime.stack.find import attach
from runs.test_tools import effects, say, until_exists, until_waits
from support.flow_tasks import step
from support.runs import Runs


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "effects"


def call(file: Path, id: str = "call", **words: Any) -> dict[str, Any]:  # noqa: A002 - as in a flow
    return {"id": id, "tool": "world.keyed", "with": {"file": str(file)}, **words}


def branch(file: Path, number: int, times: int) -> dict[str, Any]:
    """Calls the tool so often, one after the other."""
    over = list(range(times))
    return {"id": f"b{number}", "loop": {"over": over, "do": [call(file, f"call{number}")]}}


def budgets(runs: Runs, run: str) -> dict[str, dict[str, Any]]:
    """By what they are of."""
    return {row["title"]: row for row in json.loads(say(runs, "budget", "show", run, "--json"))}


async def test_eight_branches_call_no_more_tools_than_their_budget_allows(runs: Runs, file: Path) -> None:
    branches = [branch(file, number, 5) for number in range(8)]
    spec = {"tasks": branches, "on_error": "collect"}

    run = await runs.start([{"id": "all", "budget": {"calls": 12}, "parallel": spec}])
    output = await run.result()

    errors = [one["error"]["type"] for one in output.values() if isinstance(one, dict) and "error" in one]
    assert len(effects(file)) == effects(file).total() == 12
    assert errors
    assert set(errors) == {"BudgetExceeded"}
    row = budgets(runs, run.handle.id)["all"]
    assert (row["spent_calls"], row["reserved_calls"], row["left_calls"]) == (12, 0, 0)


async def test_what_exceeds_a_budget_can_be_caught_and_is_not_tried_again(runs: Runs, file: Path) -> None:
    tries = {"attempts": 5, "backoff": "10ms"}
    block = {"id": "block", "budget": {"calls": 2}, "retry": tries, "sequential": [branch(file, 1, 4)]}
    caught = {"id": "t", "try": [block], "catch": [step("told", do={"value": "${{ error }}"})]}

    output = await runs.result([caught])

    error = output["value"]
    assert (error["type"], error["task"]) == ("BudgetExceeded", "call1")
    assert "world.keyed@1.0.0 was not called: the budget of block has 0 of 2 calls left." in error["message"]
    assert effects(file).total() == 2


async def test_a_child_flow_spends_what_is_around_it(runs: Runs, file: Path) -> None:
    child = {"flow": {"name": "child"}, "tasks": [{**branch(file, 1, 3), "budget": {"calls": 3}}]}
    task = {"id": "child", "flow": "child.flow.yaml", "with": {}}
    both = {"id": "both", "budget": {"calls": 4}, "sequential": [task, {**task, "id": "again"}]}

    run = await runs.start_with_children([both], {"child.flow.yaml": child})
    failure = await run.failure()

    assert "BudgetExceeded" in failure
    assert "the budget of both has 0 of 4 calls left" in failure
    assert effects(file).total() == 4


async def test_a_call_counts_once_though_its_worker_is_killed(runs: Runs, file: Path) -> None:
    gate = file.with_name("gate")
    slow = {"id": "slow", "tool": "world.safe", "with": {"file": str(file), "after": str(gate)}, "budget": {"calls": 1}}
    run = await runs.start([slow])
    await until_exists(Path(f"{file}.done"))

    os.kill(runs.stack.pid("worker"), signal.SIGKILL)
    gate.touch()

    assert await run.result() == "wrote x"
    assert budgets(runs, run.handle.id)["slow"]["spent_calls"] == 1


async def test_what_is_refused_counts_for_nothing(runs: Runs, file: Path) -> None:
    wrong = {"id": "wrong", "tool": "world.safe", "with": {"fiel": "x"}}
    tasks = [{"id": "t", "try": [wrong], "catch": [call(file)]}]

    run = await runs.start([{"id": "b", "budget": {"calls": 1}, "sequential": tasks}])

    assert await run.result() == "wrote x"


async def test_a_call_that_waits_for_approval_holds_its_place_until_it_is_rejected(runs: Runs, file: Path) -> None:
    guarded = {"id": "guarded", "tool": "world.guarded", "with": {"file": str(file)}}
    tasks = [{"id": "t", "try": [guarded], "catch": [call(file)]}]
    run = await runs.start([{"id": "b", "budget": {"calls": 1}, "sequential": tasks}])
    pending = await until_waits(runs, run, "tool")
    held = budgets(runs, run.handle.id)["b"]

    say(runs, "approvals", "reject", pending["approval"])

    assert await run.result() == "wrote x"
    spent = budgets(runs, run.handle.id)["b"]
    assert (held["reserved_calls"], held["spent_calls"]) == (1, 0)
    assert (spent["reserved_calls"], spent["spent_calls"]) == (0, 1)


async def test_a_spent_budget_keeps_nothing_from_being_undone(runs: Runs, file: Path) -> None:
    undone = call(file.with_name("undone"), "undo")
    tasks = [call(file, compensate=[undone]), step("bad", do={"fail": 9})]

    await runs.failure([{"id": "b", "budget": {"calls": 1}, "sequential": tasks}])

    assert effects(file).total() == effects(file.with_name("undone")).total() == 1


async def test_a_tenants_day_is_set_listed_and_removed_by_whoever_may(runs: Runs) -> None:
    said = say(runs, "budget", "set", "--tenant", "acme", "--cost", "5", "--tokens", "1000000", "--per", "day")

    listed = say(runs, "budget", "list", "--tenant", "acme")
    rows = json.loads(say(runs, "budget", "list", "--tenant", "acme", "--json"))["tenants"]
    say(runs, "budget", "remove", "--tenant", "acme", "--per", "day")
    again = runs.stack("budget", "remove", "--tenant", "acme", "--per", "day")

    assert said == "acme may spend $5.00 and 1,000,000 tokens each day\n"
    assert "acme may spend $5.00 and 1,000,000 tokens each day, says user:" in listed
    assert (rows[0]["max_nanos"], rows[0]["max_tokens"]) == (5_000_000_000, 1_000_000)
    assert again.returncode == 2
    assert "the tenant acme has no budget for each day: see `resprout budget list" in again.stderr
    assert '"step": "budget.set"' in say(runs, "audit", "search", "--kind", "decided", "--json")


async def test_what_models_took_is_shown_with_what_nobody_knows(runs: Runs) -> None:
    runs.stack.sql(
        "INSERT INTO resprout.model_calls (key, attempt, tenant, run, model, bound_tokens, bound_nanos, input_tokens,"
        " cached_tokens, written_tokens, output_tokens, nanos, seconds, outcome) VALUES "
        "('usage-1', 1, 'measured', 'r', 'local', 9, 0, 5, 0, 0, 4, 0, 0.5, 'done'), "
        "('usage-2', 1, 'measured', 'r', 'mine/llama', 9, NULL, 5, 0, 0, 4, NULL, 0.5, 'done'), "
        "('usage-3', 1, 'measured', 'r', 'openai/gpt-5', 900, 5000000, NULL, NULL, NULL, NULL, NULL, 0.5, 'lost'), "
        "('usage-4', 1, 'measured', 'r', 'dead/x', 900, 0, 0, 0, 0, 0, 0, 0.5, 'busy'), "
        "('usage-5', 1, 'measured', 'the newest', 'dead/x', 900, 0, 0, 0, 0, 0, 0, 0.5, 'rejected') "
        "RETURNING 1"
    )
    runs.stack.sql("UPDATE resprout.model_calls SET at = at + interval '1s' WHERE key = 'usage-5' RETURNING 1")

    shown = say(runs, "model", "usage", "--tenant", "measured", "--since", "1h")
    (run, newest) = json.loads(say(runs, "model", "usage", "--by", "run", "--tenant", "measured", "--json"))
    by_run = ("model", "usage", "--by", "run", "--tenant", "measured", "--limit", "1")
    cut, last = runs.stack(*by_run), runs.stack(*by_run, "--latest")

    assert "$0.00, and at most $0.005 of 1 that did not tell" in shown
    assert "$0.00, and 1 of unknown cost" in shown
    assert (run["name"], run["calls"], run["unsure"], run["unpriced"], run["output_tokens"]) == ("r", 3, 1, 1, 8)
    assert (run["refused"], newest["calls"], newest["refused"]) == (1, 0, 1)
    assert "1 more are left out: --limit 2, or --latest for those used last" in cut.stderr
    assert ("the newest" in cut.stdout, "the newest" in last.stdout) == (False, True)


async def test_no_budget_of_that_name_is_said_in_words(runs: Runs) -> None:
    done = runs.stack("budget", "show", "nowhere")

    assert done.returncode == 2
    assert "there is no budget 'nowhere', and no run of that id has one: see `resprout budget list" in done.stderr
    assert "budget of time alone is not here: the run itself keeps it" in done.stderr


async def test_budgets_and_calls_of_models_are_cleared_when_they_are_of_no_run_any_more(runs: Runs) -> None:
    await runs.result([step("a")])
    for name, days in (("old", 40), ("new", 20)):
        runs.stack.sql(
            "INSERT INTO resprout.budgets (id, lineage, tenant, title, used_at) "
            f"VALUES ('{name}-budget', '{{{name}-budget}}', 'clear', '', now() - interval '{days} days') RETURNING 1"
        )
        runs.stack.sql(
            "INSERT INTO resprout.model_calls (key, attempt, tenant, model, bound_tokens, at) "
            f"VALUES ('{name}-call', 1, 'clear', 'local', 1, now() - interval '{days * 15} days') RETURNING 1"
        )
    settings = attach(Settings(data_dir=runs.stack.data_dir), "temporal.address", "postgres.dsn")

    await BudgetRetention(PayloadRetention(runs.client, settings)).remove_unused(datetime.now(UTC))

    assert runs.stack.sql("SELECT id FROM resprout.budgets WHERE tenant = 'clear'") == [("new-budget",)]
    assert runs.stack.sql("SELECT key FROM resprout.model_calls WHERE tenant = 'clear'") == [("new-call",)]
