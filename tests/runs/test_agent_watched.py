"""What people see of the run of an agent: while it waits, while it is tried again, and when it has ended."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from resprout.runtime.delays import Delay, alike
from runs.test_agent_runs import NUMBER, writes
from runs.test_tools import say
from support.model_server import Turn, Use
from support.providers import Providers
from support.runs import Runs


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


async def test_who_cancelled_an_agents_run_is_told_the_command_that_goes_on(
    runs: Runs, providers: Providers, gate: Path
) -> None:
    run = await runs.agent("try", providers.will(Turn("never", gate=str(gate))))
    waiting = runs.stack.start("runs", "watch", run.handle.id)
    await run.reach("1", "running")

    await run.handle.cancel()
    _, watched = waiting.communicate(timeout=200)  # to leave may take two minutes
    shown = runs.stack("runs", "show", run.handle.id)

    for said in (watched, shown.stderr):
        assert f"`resprout runs continue {run.handle.id} --data-dir" in said
        assert "runs retry" not in said


async def test_lines_name_the_steps_of_an_agent_and_say_which_answers_did_not_fit(
    runs: Runs, providers: Providers
) -> None:
    counts = Turn(uses=(Use("text.count", {"text": "a b"}),))
    model = providers.will(counts, Turn('{"n": "two"}'), Turn('{"n": '), Turn('{"n": 2}'))
    run = await runs.agent("count", model, tools=["text.count"], answer=NUMBER)
    await run.result()

    told = runs.stack("runs", "watch", run.handle.id).stdout.splitlines()

    assert any(line.startswith("completed  1.1 text.count  ") for line in told), told
    decisions = [line for line in told if " decide  " in line]
    assert [line.split("  ")[1] for line in decisions] == ["1 decide", "2 decide", "3 decide", "4 decide"]
    assert "an answer that does not fit: `n`: " in decisions[1]
    assert "asked again: Your answer is not the JSON that was asked for" in decisions[2]
    assert decisions[3].endswith("the answer")


async def test_the_line_of_a_decision_that_failed_says_why(runs: Runs, providers: Providers) -> None:
    run = await runs.agent("try", providers.will(Turn(status=400, error={"message": "not such words"})))
    await run.failure()

    told = runs.stack("runs", "watch", run.handle.id).stdout

    (line,) = [line for line in told.splitlines() if line.startswith("failed")]
    assert line.startswith("failed     1 decide  ")
    assert "not such words" in line
    assert "Activity task failed" not in told


async def test_a_run_that_waits_for_a_conversation_says_for_which_run(
    runs: Runs, providers: Providers, gate: Path
) -> None:
    key = f"key-{uuid4().hex[:8]}"
    held = providers.will(Turn(uses=(writes(gate.with_name("effects"), before=str(gate)),)), Turn("one"))
    first = await runs.agent("say one", held, agent=key, tools=["world.keyed"])
    await first.reach("1.1", "running")
    second = await runs.agent("say two", providers.will(Turn("two")), agent=key)
    await second.until(lambda state: state["waits_for"])

    shown = say(runs, "runs", "show", second.handle.id)
    told = json.loads(say(runs, "runs", "show", second.handle.id, "--json"))
    watching = runs.stack.start("runs", "watch", second.handle.id)
    gate.touch()
    watched, _ = watching.communicate(timeout=90)

    why = f"waits for {first.handle.id} to leave the conversation brain/{key}"
    assert why in shown
    assert "say two" in shown
    assert [(one["status"], one["note"]) for one in told["tasks"]] == [("waiting", why)]
    assert "completed  1 decide" in watched


async def test_a_model_that_is_not_there_is_told_while_it_is_asked_again(runs: Runs, providers: Providers) -> None:
    busy = Turn(status=503, error={"message": "later"})
    model = providers.will(*[busy] * 40)
    run = await runs.agent("try", model)
    watching = runs.stack.start("runs", "watch", run.handle.id)
    told: dict[str, Any] = {"delays": []}
    async with asyncio.timeout(90):
        while not any("no room" in one["why"] for one in told["delays"]):  # else its worker was not heard of in time
            told = json.loads(say(runs, "runs", "show", run.handle.id, "--json"))

    shown = say(runs, "runs", "show", run.handle.id)
    assert watching.stdout is not None
    watched = await asyncio.to_thread(next, (line for line in watching.stdout if "did not go" in line), "")
    providers.will(Turn("at last"), name=model.partition("/")[2])
    watching.communicate(timeout=90)

    (delay,) = told["delays"]
    assert (delay["step"], delay["throttled"], delay["tried"] >= 1) == ("brain.decide", False, True)
    assert "has no room for us now" in delay["why"]
    assert re.search(r"`brain.decide` did not go: .*; it was tried (once|\d+ times), (and now )?again", shown)
    assert "`brain.decide` did not go: " in watched


def test_what_is_tried_for_a_day_is_no_news_each_time() -> None:
    told = [Delay("brain.decide", False, tried, None, "nothing is there") for tried in range(1, 17)]

    assert len({delay.news for delay in told}) == 5
    assert [delay.tried for delay in alike(told)] == [16]
    assert str(told[0]) == "`brain.decide` did not go: nothing is there; it was tried once, and now again"


async def test_a_run_whose_budget_is_spent_or_whose_model_is_wrong_goes_on_otherwise(
    runs: Runs, providers: Providers
) -> None:
    counts = Turn(uses=(Use("text.count", {"text": "a b"}),))
    model = providers.will(counts, Turn("two"))
    other = providers.will(Turn("never"), Turn("three"))
    run = await runs.agent("count", model, tools=["text.count"], limits={"calls": 1})
    failure = await run.failure()

    shown = runs.stack("runs", "show", run.handle.id).stderr
    wrong = runs.stack(
        "runs", "continue", run.handle.id, "--budget", "calls=9", "--model", "nowhere/x", "--id", "wrong-1"
    )
    more = json.loads(say(runs, "runs", "continue", "wrong-1", "--model", other, "--json"))

    assert "BudgetExceeded" in failure
    assert f"give it more, and let it go on: `resprout runs continue {run.handle.id} --budget K=V --data-dir" in shown
    assert "or name another model, and let it go on: `resprout runs continue wrong-1 --model NAME" in wrong.stderr
    assert more["result"]["answer"] == "three"
    (budget,) = json.loads(say(runs, "budget", "show", more["id"], "--json"))
    assert (budget["max_calls"], budget["spent_calls"]) == (9, 1)


async def test_what_an_agent_took_is_told_beside_its_answer(runs: Runs, providers: Providers) -> None:
    counts = Turn(uses=(Use("text.count", {"text": "a b"}),), input_tokens=1_000)
    known = providers.will(counts, Turn("two"), name="priced")
    unknown = providers.will(Turn("three"))

    paid = runs.stack("agent", "run", "count", "--model", known, "--tool", "text.count")
    unpriced = runs.stack("agent", "run", "count", "--model", unknown)

    assert (paid.stdout.splitlines()[0], unpriced.stdout.splitlines()[0]) == ("two", "three")
    assert f"{known}: 1,100 tokens in, 40 out, $0.013; 2 decisions, 1 calls of tools" in paid.stderr
    assert "100 tokens in, 20 out, of unknown cost; 1 decisions, 0 calls of tools" in unpriced.stderr
