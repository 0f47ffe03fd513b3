"""Goals: whom they are given to, by which role, and what a role brings to the run."""

from typing import Any
from uuid import uuid4

import pytest
from resprout.workflows.agent_run.run_input import AgentResult, AgentRunInput
from resprout.workflows.flow import Flow, check, document
from resprout.workflows.flow.model import AgentSpec, Goal, Input, Loop, LoopSpec
from support.minds import says, texts, use
from support.runs import Run
from support.teams import Crews
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError


def one_goal(agent: str, **words: Any) -> Flow:
    return Flow.named("goals", tasks=[Goal(id="work", agent=agent, goal="go")], **words)


async def failure(crew: Crews, flow: Flow, **inputs: Any) -> str:
    with pytest.raises(WorkflowFailureError) as caught:
        await crew.result(flow, **inputs)
    assert isinstance(caught.value.cause, ApplicationError)
    return f"{caught.value.cause.type}: {caught.value.cause.message}"


async def test_a_role_brings_prompt_model_tools_and_bounds(crew: Crews) -> None:
    agents = {"a": AgentSpec(role="echo", variables={"tone": "${{ inputs.tone }}"}, system="Be brief.")}

    await crew.result(one_goal("a", agents=agents, inputs={"tone": Input(type="string")}), tone="dry")

    (request,) = crew.mind.asked
    assert request.system == "You speak in a dry way.\n\nBe brief."
    assert (request.model, request.max_tokens, request.temperature) == ("test/echo", 77, 0.5)
    assert [tool.name for tool in request.tools] == ["text.count"]


async def test_what_a_flow_says_comes_before_what_the_role_says(crew: Crews) -> None:
    agents = {
        "a": AgentSpec(role="echo", model="test/other", tools=("text.slug", "text.case"), max_tokens=9, temperature=0)
    }

    await crew.result(one_goal("a", agents=agents))

    request = crew.mind.asked[0]
    assert (request.model, request.max_tokens, request.temperature) == ("test/other", 9, 0)
    assert [tool.name for tool in crew.mind.asked[0].tools] == ["text.slug", "text.case"]


async def test_a_flow_may_leave_an_agent_none_of_its_roles_tools(crew: Crews) -> None:
    await crew.result(one_goal("a", agents={"a": AgentSpec(role="echo", tools=())}))

    assert crew.mind.asked[0].tools == ()


@pytest.mark.parametrize(
    ("who", "system"),
    [
        ("named", "You are named."),
        ("echo", "You speak in a plain way."),
        ({"role": "echo", "variables": {"tone": "loud"}}, "You speak in a loud way."),
        ({"system": "You are ${{ run.id }}."}, "You are ${{ run.id }}."),  # what comes from outside is no expression
        ("brain/some-key", ""),
    ],
)
async def test_an_expression_may_name_an_agent_a_role_or_write_one_out(crew: Crews, who: Any, system: str) -> None:
    flow = one_goal("${{ inputs.who }}", inputs={"who": Input()}, agents={"named": AgentSpec(system="You are named.")})

    await crew.result(flow, who=who)

    assert crew.mind.asked[0].system == system


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("eco", "(UnknownRole): there is no role `eco`: did you mean `echo`?"),
        ({"role": "echo", "variables": {"tune": 1}}, "has no variable `tune`: did you mean `tone`?"),
        ({"system": "x", "variables": {"tone": "dry"}}, "variables (tone) are those of a role, and none is given"),
        ({"rolle": "echo"}, "cannot be given this: rolle: there is no such word: did you mean `role`?"),
        ({"system": "x", "crew": ["nobody"]}, "there is no agent `nobody` for the crew"),
        (7, "`agent` gives an integer"),
        ("greeter/ada", "agents of kind `greeter` take messages and no goals"),
    ],
)
async def test_who_cannot_be_given_a_goal_is_refused(crew: Crews, who: Any, expected: str) -> None:
    assert expected in await failure(crew, one_goal("${{ inputs.who }}", inputs={"who": Input()}), who=who)
    assert crew.mind.asked == []


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"bob": {"role": "eco"}}, "`bob` of the crew: there is no role `eco`: did you mean `echo`?"),
        ({"bob": {"role": "echo", "variables": {"tune": 1}}}, "`bob` of the crew: the role `echo` has no variable"),
        ({"bob": {"variables": {"tone": 1}}}, "`bob` of the crew: variables (tone) are those of a role"),
        ({"bob": {"crew": {"eve": {"role": "eco"}}}}, "`bob.eve` of the crew: there is no role `eco`"),
    ],
)
async def test_a_role_that_nobody_of_a_crew_can_be_is_refused_when_the_run_begins(
    crew: Crews, members: dict[str, Any], expected: str
) -> None:
    run = await crew.client.start_workflow(
        "agent", AgentRunInput(goal="go", crew=members), id=f"crew-{uuid4().hex[:10]}", task_queue=crew.queue
    )

    assert expected in await Run(run, "").failure()
    assert crew.mind.asked == []


async def test_an_agent_has_the_iterations_of_its_role_unless_the_flow_says_otherwise(crew: Crews) -> None:
    async def iterations(**words: Any) -> int:
        handle = await crew.client.start_workflow(
            "agent",
            AgentRunInput(goal="go", **words),
            id=f"{crew.queue}-{len(words)}",
            task_queue=crew.queue,
            result_type=AgentResult,
        )
        result: AgentResult = await handle.result()
        assert result.status == "yielded"
        return result.iterations

    crew.mind.answer = lambda request: "no JSON"  # so that it never ends by itself
    form = {"answer": {"type": "object"}}

    assert await iterations(role="echo", **form) == 3
    assert await iterations(role="echo", max_iterations=2, **form) == 2


async def test_a_run_in_flight_keeps_the_role_as_it_was_when_it_began(crew: Crews) -> None:
    file = crew.roles / "echo.role.yaml"
    before = file.read_text()

    def answer(request: Any) -> str:
        file.write_text(before.replace("You speak", "You shout"))
        return "no JSON" if len(crew.mind.asked) == 1 else "{}"

    crew.mind.answer = answer
    task = Goal(id="work", agent="a", goal="go", answer={"type": "object"})
    await crew.result(Flow.named("goals", tasks=[task], agents={"a": AgentSpec(role="echo")}))
    await crew.result(one_goal("a", agents={"a": AgentSpec(role="echo")}))

    assert [one.system.split()[1] for one in crew.mind.asked] == ["speak", "speak", "shout"]


async def test_a_round_knows_the_outputs_of_all_rounds_before(crew: Crews) -> None:
    crew.mind.answer = lambda request: texts(request)[0]
    do = (Goal(id="work", agent="e", goal='${{ loop.outputs.join(",") }}<${{ loop.index }}>'),)
    agents = {"e": AgentSpec(role="echo")}

    over = Flow.named("over", agents=agents, tasks=[Loop(id="each", loop=LoopSpec(over=(1, 2, 3), do=do))])
    until = LoopSpec(until="${{ size(loop.outputs) >= 2 }}", max=5, do=do)
    again = Flow.named("again", agents=agents, tasks=[Loop(id="each", loop=until)])

    assert await crew.result(over) == ["<0>", "<0><1>", "<0>,<0><1><2>"]
    assert await crew.result(again) == "<0>,<0><1><2>"


async def test_a_member_of_a_crew_has_its_own_crew_and_may_ask_a_person(crew: Crews) -> None:
    agents = {
        "boss": AgentSpec(system="You lead.", crew=("helper",)),
        "helper": AgentSpec(system="You help.", crew=("boss", "clerk"), person=True),
        "clerk": AgentSpec(system="You write.", crew=("helper",)),
    }
    delegates = use("crew.delegate", to="helper", goal="help")
    crew.mind.answer = lambda request: says("", delegates) if len(request.messages) == 1 else "done"

    await crew.result(one_goal("boss", agents=agents))

    helping = crew.mind.asked[1]
    assert helping.system == "You help."
    assert {offer.name for offer in helping.tools} == {"person.ask", "crew.delegate", "crew.hand_over"}
    assert "clerk" in str(helping.tools)
    assert "boss" in str(helping.tools)


def test_nobody_gives_work_to_an_agent_that_takes_messages() -> None:
    flow = one_goal("boss", agents={"boss": AgentSpec(system="You lead.", crew=("g",)), "g": AgentSpec(kind="greeter")})

    (problem,) = check(document(flow)).errors

    assert (problem.path, problem.message) == (
        "agents.boss.crew[0]",
        "`g` is of the kind `greeter`, which takes messages and no goals",
    )
