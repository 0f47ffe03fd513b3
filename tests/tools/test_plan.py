"""What a call is: arguments that do not fit, steps of other calls, and secrets that stay references."""

from dataclasses import replace
from typing import Any, cast

import pytest
from resprout.activities.tools.builtin import ALL
from resprout.activities.tools.builtin.runs import start as start_run
from resprout.activities.tools.calling import StepTaken
from resprout.activities.tools.plan import Begin, Plan
from resprout.activities.tools.tool import StartsRuns, ToolCall
from resprout.activities.tools.toolbox import Toolbox
from resprout.actors.errors import Rejected
from support.desk import Desk


async def test_arguments_that_do_not_fit_are_refused_before_anything_is_decided(desk: Desk) -> None:
    with pytest.raises(Rejected, match="`how`: there is no such argument"):
        await desk.call(desk.request("world.safe", how="fast"))

    assert desk.rules.asked == []


async def test_half_a_character_is_refused_before_anything_is_written(desk: Desk) -> None:
    with pytest.raises(Rejected, match=r"an argument has '\\ud800' in it, half of a character"):
        await desk.call(desk.request("world.safe", what="\ud800"))

    assert desk.rules.asked == []


@pytest.mark.parametrize("chain", [(), ("ada",), ("user:" + "a" * 300,)], ids=["nobody", "no kind", "too long"])
async def test_a_chain_that_policy_cannot_be_asked_about_is_refused_for_good(
    desk: Desk, chain: tuple[str, ...]
) -> None:
    with pytest.raises(Rejected, match="policy cannot be asked about `chain"):
        await desk.call(desk.request("world.safe", chain))


@pytest.mark.parametrize(
    "other",
    [
        {"tenant": "other"},
        {"chain": ("user:eve",)},
        {"tool": "world.safe"},
        {"arguments": {"what": "mine"}},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_a_step_of_another_call_gives_nothing_away(desk: Desk, other: dict[str, Any]) -> None:
    request = desk.request("world.once", what="a secret of A")
    await desk.call(request)

    with pytest.raises(StepTaken, match="Give each call a step of its own"):
        await desk.call(request.model_copy(update=other))

    assert desk.log[-1].kind == "refused"


async def test_a_step_of_another_run_gives_nothing_away(desk: Desk) -> None:
    request = desk.request("world.once", what="a secret of A")
    await desk.call(request)

    with pytest.raises(StepTaken, match="names another call already"):
        await desk.caller.call(request, "the run of eve")


async def test_what_a_run_is_started_with_keeps_its_secrets_by_reference(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPROUT_SECRET_API_KEY", "CANARY-123456789")
    started: list[Any] = []

    class StartedRuns:
        async def start(self, flow: dict[str, Any], inputs: dict[str, Any]) -> str:
            started.append(inputs)
            return "child"

    def uses(plan: Plan, began: Begin) -> ToolCall:
        return replace(desk.caller.uses(plan, began), runs=cast(StartsRuns, StartedRuns()))

    caller = replace(desk.caller, toolbox=Toolbox([start_run]), uses=uses)
    request = desk.request("run.start", flow={"flow": {"name": "child"}}, inputs={"token": "secret://api-key"})
    await caller.call(request, "run-1")

    assert started == [{"token": "secret://api-key"}]
    assert [str(need) for need in desk.rules.asked[-1].permissions] == ["runs.start:child", "secrets.use:api-key"]


def test_whatever_hands_arguments_on_to_runs_and_agents_keeps_references() -> None:
    keeping = {one.name for one in ALL if one.keeps_references}

    assert keeping == {"run.start", "agent.ask", "agent.tell"}
