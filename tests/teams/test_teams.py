"""The teams that ship, on a real Temporal with real brains: right for any number of members, with one answer."""

import json
from typing import Any

import pytest
from resprout.actors.models import ModelRequest
from resprout.runtime.flow_start import freeze_flow
from resprout.runtime.teams import teams
from resprout.workflows.flow import Flow
from resprout.workflows.flow.formatting import formatted
from resprout.workflows.flow.model import Child
from support.minds import texts
from support.teams import Crews, given

TEAMS = ["debate", "map-reduce", "pipeline", "round-robin", "supervisor"]
MEMBERS: list[list[Any]] = [
    ["writer"],
    ["writer", {"system": "You are second.", "model": "test/second"}],
    ["writer", "critic", "editor", {"role": "echo", "variables": {"tone": "dry"}}, "writer"],
]
some_members = pytest.mark.parametrize("members", MEMBERS, ids=len)


def goal_of(request: ModelRequest) -> str:
    return texts(request)[0]


def test_these_teams_ship() -> None:
    assert list(teams()) == TEAMS


@pytest.mark.parametrize("name", TEAMS)
def test_a_team_is_right_and_formatted(name: str) -> None:
    flow = freeze_flow(f"team/{name}").flow

    assert flow.name == name
    assert "answer" in (flow.outputs or {})
    assert [one for one in ("goal", "members") if one not in flow.inputs] == []
    assert formatted(teams()[name].read_text(), name) == teams()[name].read_text()


@some_members
async def test_in_a_round_robin_each_speaks_in_turn_and_hears_all_before(crew: Crews, members: list[Any]) -> None:
    crew.mind.answer = lambda request: f"turn {len(crew.mind.asked)}"

    result = await crew.result("team/round-robin", goal="name a bird", members=members, rounds=2)

    turns = 2 * len(members)
    assert result == {"answer": f"turn {turns + 1}", "turns": [f"turn {n + 1}" for n in range(turns)]}
    *spoken, last = map(goal_of, crew.mind.asked)
    assert all("works on this goal together: name a bird" in goal for goal in spoken)
    heard = given(spoken[-1])["said_before"]
    assert [one["said"] for one in heard] == result["turns"][:-1]
    assert (heard[0]["who"], heard[len(members)]["who"]) == ("member 1, writer",) * 2 if turns > 2 else True
    assert [one["said"] for one in given(last)["said"]] == result["turns"]


@some_members
async def test_in_a_pipeline_each_goes_on_from_what_the_one_before_made(crew: Crews, members: list[Any]) -> None:
    crew.mind.answer = lambda request: f"{given(goal_of(request))['work_so_far'] or 'work'}+"

    result = await crew.result("team/pipeline", goal="make work", members=members)

    assert result["answer"] == "work" + "+" * len(members)
    assert len(result["stages"]) == len(members)
    assert [("the answer" in goal_of(one)) for one in crew.mind.asked] == [False] * (len(members) - 1) + [True]


@some_members
async def test_in_a_debate_all_answer_what_was_said_and_a_judge_decides(crew: Crews, members: list[Any]) -> None:
    def answer(request: ModelRequest) -> str:
        if request.answer is not None:
            return json.dumps({"answer": "tea", "why": "it is warm", "winner": len(members)})
        heard = given(goal_of(request))["said_last"]
        return f"answer to {len(heard)}" if heard else "position"

    crew.mind.answer = answer

    result = await crew.result("team/debate", goal="tea or coffee?", members=members, rounds=3)

    assert (result["answer"], result["why"]) == ("tea", "it is warm")
    assert result["winner"].startswith(f"member {len(members)}")
    again = [f"answer to {len(members)}"] * len(members)
    assert result["rounds"] == [["position"] * len(members), again, again]


async def test_a_winner_that_there_is_not_is_none(crew: Crews) -> None:
    crew.mind.answer = lambda request: json.dumps({"answer": "tea", "why": "so", "winner": 9})

    assert (await crew.result("team/debate", goal="tea?", members=["writer"], rounds=1))["winner"] is None


@some_members
async def test_in_map_reduce_parts_that_are_given_are_shared_out(crew: Crews, members: list[Any]) -> None:
    def answer(request: ModelRequest) -> str:
        facts = given(goal_of(request))
        return str(facts["your_part"] * 2) if "your_part" in facts else json.dumps(facts["results"])

    crew.mind.answer = answer

    result = await crew.result("team/map-reduce", goal="double", members=members, parts=[1, 2, 3, 4])

    assert result["results"] == ["2", "4", "6", "8"]
    assert json.loads(result["answer"])[-1] == {"part": 4, "result": "8"}


async def test_in_map_reduce_an_agent_divides_a_goal_that_comes_without_parts(crew: Crews) -> None:
    def answer(request: ModelRequest) -> str:
        if request.answer is not None:
            return json.dumps({"parts": ["north", "south"]})
        facts = given(goal_of(request))
        return f"{facts['your_part']} done" if "your_part" in facts else f"{len(facts['results'])} results"

    crew.mind.answer = answer

    result = await crew.result("team/map-reduce", goal="map the island", members=["writer", "critic", "editor"])

    assert result == {"answer": "2 results", "results": ["north done", "south done"]}


@some_members
async def test_a_supervisor_gives_work_until_it_is_done(crew: Crews, members: list[Any]) -> None:
    def answer(request: ModelRequest) -> str:
        if request.answer is None:
            return "the end" if "Write the answer" in goal_of(request) else f"did: {goal_of(request)}"
        done = given(goal_of(request))["done_so_far"]
        number = len(done) + 1
        return json.dumps({"done": number > 3, "member": number, "work": f"piece {number}"})

    crew.mind.answer = answer

    result = await crew.result("team/supervisor", goal="build", members=members)

    assert result["answer"] == "the end"
    assert [one["work"] for one in result["work"]] == [f"did: piece {n}" for n in (1, 2, 3)]
    assert len(crew.mind.asked) == 4 + 3 + 1


async def test_a_supervisor_without_rounds_left_writes_the_answer(crew: Crews) -> None:
    def answer(request: ModelRequest) -> str:
        return json.dumps({"done": False, "member": 1, "work": "more"}) if request.answer else "so far"

    crew.mind.answer = answer

    result = await crew.result("team/supervisor", goal="build", members=["writer"], rounds=2)

    assert (result["answer"], len(result["work"])) == ("so far", 2)


async def test_a_team_is_used_by_name_in_a_flow(crew: Crews) -> None:
    flow = Flow.named(
        "outer", tasks=[Child(id="ask", flow="team/pipeline", with_={"goal": "go", "members": ["writer", "editor"]})]
    )

    assert (await crew.result(flow))["answer"] == "an answer"
