"""Runs of agents from outside: a scripted model decides, real tools act, and people and other runs come between."""

import asyncio
import json
import re
import shlex
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from resprout.actors.brain.brain import GO_ON
from resprout.runtime.client import Client
from resprout.runtime.settings import Settings
from resprout.runtime.stack.find import attach
from runs.test_tools import effects, say, until_exists
from support.flow_tasks import step
from support.model_server import Heard, Turn, Use
from support.providers import Providers
from support.runs import Run, Runs
from support.stack import Stack
from temporalio.client import WorkflowFailureError

ERROR = {"value": "${{ error }}"}
NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "effects"


@pytest.fixture
def key() -> str:
    """Of a conversation that no other test has."""
    return f"key-{uuid4().hex[:8]}"


def writes(file: Path, line: str = "x", tool: str = "world.keyed", **more: Any) -> Use:
    return Use(tool, {"file": str(file), "line": line, **more})


def texts(body: dict[str, Any]) -> list[str]:
    """What a model of OpenAI's protocol was shown, without what it is told of itself."""
    return [str(one.get("content") or "") for one in body["messages"] if one["role"] != "system"]


# From a goal to an answer.


async def test_a_goal_leads_over_tools_to_an_answer_in_the_form_that_was_asked_for(
    runs: Runs, providers: Providers, file: Path
) -> None:
    calls = (writes(file, "a"), writes(file, "b"), Use("text.count", {"text": "one two"}))
    model = providers.will(
        Turn("let me see", uses=calls), Turn('{"n": "two"}'), Turn('{"n": '), Turn('{"n": 2}', output_tokens=7)
    )
    run = f"form-{uuid4().hex[:8]}"
    settings = attach(Settings(data_dir=runs.stack.data_dir), "postgres.dsn", "temporal.address")

    async with await Client.connect(settings) as client:
        words: dict[str, Any] = {"model": model, "tools": ("world.*", "text.count"), "answer": NUMBER}
        answer = await client.run_agent("count", id=run, **words)
        again = await client.run_agent("count", id=run, **words)

    assert answer == again == {"n": 2}
    assert sorted(line.split()[1] for line in file.read_text().splitlines()) == ["a", "b"]
    assert providers.positions(model) == [0, 1, 2, 3]
    first, second, third, fourth = providers.heard(model)
    assert len(first["tools"]) > 3
    assert texts(second)[2:4] == ["wrote a", "wrote b"]
    assert "does not fit the form that was asked for: `n`: " in texts(third)[-1]
    assert "not the JSON that was asked for" in texts(fourth)[-1]
    shown = json.loads(say(runs, "runs", "show", run, "--json"))
    result = shown["result"]
    assert (result["status"], result["answer"], result["iterations"], result["tool_calls"]) == (
        "answered",
        answer,
        4,
        3,
    )
    assert (result["usage"]["input_tokens"], result["usage"]["output_tokens"]) == (400, 67)
    assert [task["status"] for task in shown["tasks"]] == ["completed"] * 7


def test_a_goal_in_json_is_all_that_temporals_command_needs(runs_stack: Stack, providers: Providers) -> None:
    model = providers.will(Turn("four"))

    done = execute(runs_stack, {"goal": "two and two", "model": model})

    assert (done["status"], done["result"]["answer"]) == ("COMPLETED", "four")


MISTAKES: list[tuple[Any, str]] = [
    ({}, "give a goal"),
    ({"goal": "x", "tols": []}, "tols: there is no such word: did you mean `tools`"),
    ({"goal": "x", "max_iterations": 0}, "max_iterations: "),
    ({"goal": "x", "agent": "a\tb"}, "agent: "),
    ({"goal": "x", "answer": {"type": "objct"}}, "answer: "),
    ({"goal": "x", "tools": ["text.cuont"]}, "did you mean `text.count`"),
    ({"goal": "x", "tools": ["nothing.*"]}, "no tool has a name like `nothing.*`"),
    ({"goal": "x", "role": "no-such-role"}, "no-such-role"),
    ({"goal": "x", "variables": {"a": 1}}, "name a `role`"),
    ({"goal": "x", "model": "opnai/gpt-5"}, "Did you mean openai?"),
    ("x", "does not fit AgentRunInput"),
]


def test_a_mistake_by_hand_fails_at_once_and_says_what_is_wrong(runs_stack: Stack) -> None:
    report = execute(runs_stack, {"goal": "x", "answer": {"type": "objct"}})

    assert report["status"] == "FAILED"
    failure = report["closeEvent"]["workflowExecutionFailedEventAttributes"]["failure"]
    assert "answer: " in failure["message"]
    assert failure["applicationFailureInfo"]["nonRetryable"]
    assert not failure.get("stackTrace")


async def test_what_no_agent_can_be_given_is_named(runs: Runs) -> None:
    """All at once: each takes a moment."""
    started = [
        await runs.client.start_workflow("agent", given, id=f"wrong-{uuid4().hex[:10]}", task_queue="resprout")
        for given, _ in MISTAKES
    ]

    async with asyncio.timeout(150):
        failures = await asyncio.gather(*(Run(handle, "").failure() for handle in started))

    assert [(said, says) for said, (_, says) in zip(failures, MISTAKES, strict=True) if says not in said] == []


def execute(stack: Stack, given: Any) -> dict[str, Any]:
    done = stack.temporal(
        "workflow", "execute", "--type", "agent", "--task-queue", "resprout", "--workflow-id", f"by-{uuid4().hex[:8]}",
        "--input", json.dumps(given), "--execution-timeout", "60s", "-o", "json",
    )  # fmt: skip
    report: dict[str, Any] = json.loads(done.stdout)
    return report


async def test_a_flow_gives_its_agents_goals_and_goes_on_with_their_answers(
    runs: Runs, providers: Providers, file: Path
) -> None:
    counts = providers.will(Turn('{"n": 7}'))
    tells = providers.will(Turn(uses=(writes(file, "seven"),)), Turn("told"))
    agents = {
        "counter": {"model": counts, "system": "You count."},
        "teller": {"model": tells, "tools": ["world.keyed"], "key": "teller-of-a-flow"},
    }
    tasks = [
        {"id": "count", "agent": "counter", "goal": "Count ${{ inputs.what }}.", "answer": NUMBER},
        {"id": "tell", "agent": "teller", "goal": "Tell it.", "with": {"n": "${{ tasks.count.output.n }}"}},
    ]

    output = await runs.result(tasks, {"what": "sheep"}, agents=agents, inputs={"what": {"type": "string"}})

    assert output == "told"
    (asked,) = providers.heard(counts)
    assert [one["content"] for one in asked["messages"]] == ["You count.", "Count sheep."]
    assert '"n": 7' in texts(providers.heard(tells)[0])[0]
    assert effects(file).total() == 1


# More than one run, and people who come between.


async def test_two_runs_with_one_agent_speak_one_after_the_other(
    runs: Runs, providers: Providers, file: Path, key: str
) -> None:
    gate = file.with_name("gate")
    first = providers.will(Turn(uses=(writes(file, before=str(gate)),)), Turn("one"))
    second = providers.will(Turn("two"))
    one = await runs.agent("say one", first, agent=key, tools=["world.keyed"])
    await until_exists(Path(f"{file}.intended"))

    two = await runs.agent("say two", second, agent=key)
    waiting = await two.until(lambda state: state["waits_for"] is not None)
    gate.touch()

    assert (waiting["waits_for"], waiting["status"]) == (one.handle.id, "waiting")
    assert [(await run.result())["answer"] for run in (one, two)] == ["one", "two"]
    (asked,) = providers.heard(second)
    assert texts(asked) == ["say one", "", "wrote x", "one", "say two"]


async def test_a_run_that_was_terminated_makes_way(runs: Runs, providers: Providers, file: Path, key: str) -> None:
    held = providers.will(Turn("never", gate=str(file)))
    second = providers.will(Turn("two"))
    one = await runs.agent("say one", held, agent=key)
    await one.until(lambda _: providers.heard(held))

    await one.handle.terminate("enough")
    two = await runs.agent("say two", second, agent=key)

    assert (await two.result())["answer"] == "two"
    assert texts(providers.heard(second)[0]) == ["say one", "say two"]
    file.touch()


async def test_who_steers_is_heard_with_the_next_decision(runs: Runs, providers: Providers, file: Path) -> None:
    first, second = file.with_name("first"), file.with_name("second")
    model = providers.will(
        Turn(uses=(Use("text.count", {"text": "a b"}),), gate=str(first)), Turn("green", gate=str(second)), Turn("blue")
    )
    run = await runs.agent("a colour", model, tools=["text.count"])
    await run.until(lambda _: providers.heard(model))

    say(runs, "runs", "steer", run.handle.id, "not red")
    first.touch()
    await run.until(lambda _: len(providers.heard(model)) == 2)
    say(runs, "runs", "steer", run.handle.id, "rather blue")  # while the answer is on its way
    second.touch()

    assert (await run.result())["answer"] == "blue"
    assert texts(providers.heard(model)[1])[-1] == "not red"
    assert texts(providers.heard(model)[2])[-2:] == ["green", "rather blue"]
    empty = runs.stack("runs", "steer", run.handle.id, "now?")
    assert (empty.returncode, "has ended" in empty.stderr) == (2, True)


async def test_a_paused_run_decides_nothing_until_it_goes_on(runs: Runs, providers: Providers, file: Path) -> None:
    gate = file.with_name("gate")
    model = providers.will(Turn(uses=(writes(file, before=str(gate)),)), Turn("done"))
    run = await runs.agent("write", model, tools=["world.keyed"])
    await until_exists(Path(f"{file}.intended"))

    say(runs, "runs", "pause", run.handle.id)
    gate.touch()
    await run.reach("1.1", "completed")
    paused = await run.state()
    say(runs, "runs", "resume", run.handle.id)

    assert (paused["status"], [task["key"] for task in paused["tasks"]]) == ("paused", ["1", "1.1"])
    assert (await run.result())["answer"] == "done"


async def test_a_run_that_has_used_up_its_iterations_is_continued(runs: Runs, providers: Providers) -> None:
    use = Turn(uses=(Use("text.count", {"text": "a"}),))
    model = providers.will(use, use, use, Turn("at last"), Turn("and more"))
    run = await runs.agent("try", model, tools=["text.count"], max_iterations=2)
    result = await run.result()

    hint = runs.stack("runs", "watch", run.handle.id)
    once = json.loads(say(runs, "runs", "continue", run.handle.id, "--json"))
    over = runs.stack("run", "continue", once["id"])
    again = json.loads(say(runs, "run", "continue", once["id"], "--goal", "more?", "--json"))

    assert (result["status"], result["note"]) == ("yielded", "2 iterations were all that it had.")
    assert hint.returncode == 0
    assert (once["id"], once["result"]["answer"]) == (f"{run.handle.id}-continue-1", "at last")
    assert (over.returncode, "has answered already: say with --goal" in over.stderr) == (2, True)
    assert (again["id"], again["result"]["answer"]) == (f"{run.handle.id}-continue-2", "and more")
    assert providers.positions(model) == [0, 1, 2, 3, 4]
    assert texts(providers.heard(model)[2])[-1] == GO_ON


async def test_a_run_that_failed_says_how_to_go_on_and_does(runs: Runs, providers: Providers) -> None:
    model = providers.will(Turn(status=400, error={"message": "not such words"}))
    run = await runs.agent("try", model)
    failure = await run.failure()

    shown = runs.stack("runs", "show", run.handle.id)
    retried = runs.stack("runs", "retry", run.handle.id)
    providers.will(Turn("at last"), name=model.partition("/")[2])
    hint = re.search(r"`resprout (runs continue [^`]*)`", shown.stderr)
    assert hint is not None, shown.stderr
    going_on = json.loads(say(runs, *shlex.split(hint[1]), "--json"))

    assert "BadPrompt" in failure
    assert "not such words" in shown.stderr
    assert (retried.returncode, "go on with it by `resprout runs continue " in retried.stderr) == (2, True)
    assert going_on["result"]["answer"] == "at last"
    assert texts(providers.heard(model)[-1]) == ["try", GO_ON]


async def test_a_run_that_ended_before_its_turn_still_has_its_goal(
    runs: Runs, providers: Providers, file: Path, key: str
) -> None:
    gate = file.with_name("gate")
    busy = providers.will(Turn(uses=(writes(file, before=str(gate)),)), Turn("one"))
    idle = providers.will(Turn("seven"))
    first = await runs.agent("write", busy, agent=key, tools=["world.keyed"])
    await until_exists(Path(f"{file}.intended"))
    second = await runs.agent("count the sheep", idle, agent=key, **{"with": {"sheep": 7}})
    await second.until(lambda state: state["waits_for"] is not None)

    say(runs, "runs", "cancel", second.handle.id)
    with pytest.raises(WorkflowFailureError):
        await second.result()
    gate.touch()
    await first.result()
    going_on = json.loads(say(runs, "runs", "continue", second.handle.id, "--json"))

    assert going_on["result"]["answer"] == "seven"
    asked = texts(providers.heard(idle)[0])[-1]
    assert ("count the sheep" in asked, '"sheep": 7' in asked) == (True, True)


async def test_a_task_whose_agent_stops_unfinished_fails_and_says_how_it_goes_on(
    runs: Runs, providers: Providers
) -> None:
    model = providers.will(Turn(uses=(Use("text.count", {"text": "a"}),)))
    who = {"a": {"model": model, "tools": ["text.count"], "max_iterations": 2}}
    block = {"id": "t", "try": [{"id": "g", "agent": "a", "goal": "x"}], "catch": [step("no", do=ERROR)]}

    error = (await runs.result([block], agents=who))["value"]

    assert error["type"] == "Unfinished"
    assert "2 iterations were all that it had. Go on with `resprout runs continue " in error["message"]


async def test_a_flow_does_not_go_on_with_half_an_answer_or_a_refusal(runs: Runs, providers: Providers) -> None:
    half = providers.will(*(Turn(f"{n}, ", stop="length") for n in range(4)))
    refuses = providers.will(Turn("I will not", stop="refused"))
    parts = providers.will(Turn("one, ", stop="length"), Turn("two"))
    agents = {"half": {"model": half}, "refuses": {"model": refuses}, "parts": {"model": parts}}
    blocks = [
        {"id": f"t_{name}", "try": [{"agent": name, "goal": "count"}], "catch": [step(name, do=ERROR)]}
        for name in ("half", "refuses")
    ]

    found = await runs.result(
        [*blocks, {"id": "whole", "agent": "parts", "goal": "count"}],
        agents=agents,
        outputs={name: f"${{{{ tasks.{name}.output }}}}" for name in ("t_half", "t_refuses", "whole")},
    )

    cut, refused = found["t_half"]["value"], found["t_refuses"]["value"]
    assert (cut["type"], refused["type"], found["whole"]) == ("Unfinished", "Refused", "one, two")
    assert "its answer was cut off after 20 tokens, for the 4th time. Go on with" in cut["message"]
    assert "refused to go on: 'I will not'. Say the goal in other words" in refused["message"]


async def test_what_was_said_into_a_run_that_was_cancelled_is_there_once_for_the_next(
    runs: Runs, providers: Providers, file: Path, key: str
) -> None:
    second = file.with_name("second")
    model = providers.will(Turn("green", gate=str(file)), Turn("blue", gate=str(second)))
    run = await runs.agent("a colour", model, agent=key)
    await run.until(lambda _: providers.heard(model))
    await run.handle.execute_update("steer", "rather blue")
    file.touch()
    await run.until(lambda _: len(providers.heard(model)) == 2)  # it is being told, and decides nothing yet

    say(runs, "runs", "cancel", run.handle.id)
    with pytest.raises(WorkflowFailureError):
        await run.result()
    second.touch()
    last = providers.will(Turn("here"))
    await (await runs.agent("and now?", last, agent=key)).result()

    assert texts(providers.heard(last)[0]).count("rather blue") == 1


async def test_another_tenant_does_not_go_on_in_a_conversation_and_reads_nothing_of_it(
    runs: Runs, providers: Providers, key: str
) -> None:
    model = providers.will(Turn("secret of acme"))
    await (await runs.agent("acme's words", model, agent=key, tenant="acme")).result()

    said = await (await runs.agent("other", model, agent=key, tenant="other")).failure()
    looked = runs.stack("agent", "conversation", key)

    assert said.startswith(f"NotYours: the conversation brain/{key} belongs to another tenant than 'other'")
    assert (looked.returncode, "another tenant than 'default'" in looked.stderr) == (2, True)
    assert "secret of acme" in say(runs, "agent", "conversation", key, "--tenant", "acme")
    assert len(providers.heard(model)) == 1


async def test_an_answer_that_never_fits_is_asked_for_four_times(runs: Runs, providers: Providers) -> None:
    model = providers.will(*(Turn('{"n": "two"}') for _ in range(2)), *(Turn("two") for _ in range(8)))
    run = await runs.agent("count", model, answer=NUMBER)

    said = await run.failure()

    assert said.startswith("Unusable: What the model said could not be used 4 times in a row.")
    assert len(providers.heard(model)) == 4


async def test_a_tool_that_waits_for_approval_holds_nobody_back(runs: Runs, providers: Providers, file: Path) -> None:
    uses = (writes(file, "one", "world.guarded"), writes(file, "b"), writes(file, "three", "world.guarded"))
    model = providers.will(Turn(uses=uses), Turn("done"))
    run = await runs.agent("write", model, tools=["world.*"])
    await run.until(lambda state: len(state["approvals"]) == 2 and state["status"] == "waiting")

    assert effects(file).total() == 1
    asked = json.loads(say(runs, "approvals", "list", "--run", run.handle.id, "--json"))
    first, third = sorted(asked, key=lambda one: str(one["arguments"]["line"]))
    assert first["chain"][-1] == "agent:brain/run"
    say(runs, "approvals", "approve", first["id"], "--edit", "line=two")
    say(runs, "approvals", "reject", third["id"], "--comment", "not today")

    assert (await run.result())["answer"] == "done"
    told = texts(providers.heard(model)[1])[-3:]
    assert told[:2] == ["wrote two", "wrote b"]
    assert "not today" in told[2]
    assert effects(file).total() == 2


async def test_a_person_is_asked_in_the_inbox_and_the_agent_hears_the_answer(runs: Runs, providers: Providers) -> None:
    questions = (Use("person.ask", {"question": "Which colour?"}), Use("person.ask", {"question": "Which size?"}))
    model = providers.will(Turn(uses=questions), Turn("done"))
    run = await runs.agent("paint", model, person=True)
    await run.until(lambda state: len(state["approvals"]) == 2)

    asked = json.loads(say(runs, "approvals", "list", "--run", run.handle.id, "--json"))
    by_question = {one["shown"]["question"]: one["id"] for one in asked}
    unfit = runs.stack("approvals", "approve", by_question["Which colour?"])
    say(runs, "approvals", "approve", by_question["Which colour?"], "--field", "answer=blue")
    say(runs, "approvals", "reject", by_question["Which size?"], "--comment", "no idea")

    assert {one["title"] for one in asked} == {f"a question of {run.handle.id}"}
    assert (unfit.returncode, "field `answer` is missing" in unfit.stderr) == (2, True)
    assert (await run.result())["answer"] == "done"
    told = texts(providers.heard(model)[1])[-2:]
    assert told[0] == "blue"
    assert told[1].endswith("does not answer: no idea")


async def test_work_is_given_to_another_agent_that_may_do_no_more_than_who_gives_it(
    runs: Runs, providers: Providers, file: Path, key: str
) -> None:
    does = providers.will(Turn(uses=(writes(file), writes(file, tool="world.guarded"))), Turn("as far as I may"))
    gives = Use("crew.delegate", {"to": "writer", "goal": "write it"})
    nobody = Use("crew.delegate", {"to": "nobody", "goal": "write it"})
    leads = providers.will(Turn(uses=(gives, nobody)), Turn("done"))
    crew = {"writer": {"model": does, "key": f"{key}-writer", "tools": ["world.*"]}}
    say(runs, "policy", "grant", f"agent:brain/{key}-boss", "--tool", "world.keyed", "--deny")

    run = await runs.agent("have it written", leads, agent=f"{key}-boss", crew=crew)
    child = runs.client.get_workflow_handle(f"{run.handle.id}/1.1")
    listed = await pending_of(runs, child.id)
    say(runs, "approvals", "approve", listed["id"])

    assert (await run.result())["answer"] == "done"
    assert listed["chain"][-2:] == [f"agent:brain/{key}-boss", f"agent:brain/{key}-writer"]
    assert effects(file).total() == 1
    kept, wrote = texts(providers.heard(does)[1])[-2:]
    assert ("Denied" in kept, wrote) == (True, "wrote x")
    told, refused = texts(providers.heard(leads)[1])[-2:]
    assert told == "as far as I may"
    assert "there is no `nobody` to give work to: writer" in refused


async def pending_of(runs: Runs, run: str) -> dict[str, Any]:
    """The one question of a run, once there is one."""
    async with asyncio.timeout(150):
        while not (found := json.loads(say(runs, "approvals", "list", "--run", run, "--json"))):
            await asyncio.sleep(0.2)
    (one,) = found
    assert isinstance(one, dict)
    return one


async def test_who_takes_a_goal_over_answers_in_the_form_that_was_asked_for(runs: Runs, providers: Providers) -> None:
    takes = providers.will(Turn("seven"), Turn('{"n": 7}'))
    gives = Use("crew.hand_over", {"to": "counter", "goal": "count the sheep"})
    leads = providers.will(Turn(uses=(gives,)), Turn("must not be asked"))

    crew = {"counter": {"model": takes, "role": "tester"}}  # a role, which has more iterations than who gives
    run = await runs.agent("sheep?", leads, crew=crew, answer=NUMBER, max_iterations=1)
    result = await run.result()

    assert (result["status"], result["answer"]) == ("answered", {"n": 7})
    assert "handed over to brain/" in result["note"]
    assert providers.positions(leads) == [0]


async def test_a_long_conversation_goes_on_with_a_summary_and_its_words_are_kept(
    runs: Runs, providers: Providers, file: Path, key: str
) -> None:
    def says(heard: Heard, _: int) -> Turn:
        size = len(json.dumps(heard.body["messages"])) // 3
        if "You shorten a conversation" in json.dumps(heard.body):
            return Turn("the summary", input_tokens=size)
        number = effects(file).total()
        use = writes(file, f"{number}{'x' * 900}")
        return Turn(uses=(use,), input_tokens=size) if number < 6 else Turn("done", input_tokens=size)

    model = providers.follows(says, name="small")
    run = await runs.agent("write much", model, agent=key, tools=["world.keyed"], max_tokens=200)
    result = await run.result()

    assert (result["answer"], result["compactions"] >= 1, effects(file).total()) == ("done", True, 6)
    last = texts(providers.heard(model)[-1])
    assert last[0].startswith("write much\n\nWhat was done and found before, in short:\nthe summary")
    lines = json.loads(say(runs, "agent", "conversation", key, "--json"))
    assert [line["role"] for line in lines].count("tool") == 6
    assert "summary" in [line["role"] for line in lines]
