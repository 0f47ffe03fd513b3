"""How runs of agents end: what is on its way then is neither lost nor done for nothing, and what they may do stays."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from resprout.activities import ask_agent, think
from resprout.actors.brain import Leave
from resprout.actors.brain.brain import INTERRUPTED
from resprout.runtime import identity
from resprout.workflows.agent_run.run_input import AgentRunInput
from runs.test_agent_carried import QUEUE, a_worker_here
from runs.test_agent_runs import file, key, texts, writes
from runs.test_tools import effects, repetitions, say, until_exists
from support.model_server import Turn, Use
from support.providers import Providers
from support.runs import Run, Runs
from support.stack import eventually
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import CancelledError

__all__ = ["file", "key"]

COUNTS = Turn(uses=(Use("text.count", {"text": "a"}),))


@pytest.fixture
async def queue(runs: Runs) -> AsyncIterator[str]:
    async with a_worker_here(runs):
        yield QUEUE


async def until_told(runs: Runs, run: Run) -> None:
    """Until every call of a run that was ended knows of it, with its next heartbeat."""
    under_way = f"SELECT 1 FROM resprout.effects WHERE run = '{run.handle.id}' AND state = 'intended'"
    await asyncio.to_thread(eventually, lambda: not runs.stack.sql(under_way), "every call is told")


async def called_before_the_end(run: Run, file: Path) -> bool:
    """Whether the tool that writes the file is called before the run ends."""
    while not Path(f"{file}.intended").exists():
        if (await run.handle.describe()).status is not WorkflowExecutionStatus.RUNNING:
            return False
        await asyncio.sleep(0.1)
    return True


async def test_the_next_run_hears_what_a_cancelled_one_has_done(
    runs: Runs, providers: Providers, file: Path, key: str
) -> None:
    gate = file.with_name("gate")
    uses = (writes(file.with_name("other"), before=str(gate)), writes(file, "done"))
    run = await runs.agent("write", providers.will(Turn(uses=uses)), agent=key, tools=["world.keyed"])
    await run.reach("1.2", "completed")
    await until_exists(file.with_name("other.intended"))

    say(runs, "runs", "cancel", run.handle.id)
    with pytest.raises(WorkflowFailureError) as ended:
        await run.result()
    next_model = providers.will(Turn("here"))
    following = await runs.agent("are you there?", next_model, agent=key)

    assert isinstance(ended.value.cause, CancelledError)
    assert (await following.result())["answer"] == "here"
    assert texts(providers.heard(next_model)[0])[2:] == ["wrote done", INTERRUPTED, "are you there?"]
    await until_told(runs, run)
    gate.touch()
    assert effects(file.with_name("other")).total() <= repetitions(runs, run)


async def test_a_time_budget_ends_what_is_under_way(runs: Runs, providers: Providers, file: Path) -> None:
    gate = file.with_name("gate")
    for seconds in (10, 40):  # a slow machine spends the first before the tool is called
        model = providers.will(Turn(uses=(writes(file, before=str(gate)),)), Turn("done"))
        run = await runs.agent("write", model, tools=["world.keyed"], limits={"time": f"{seconds}s"})
        if await called_before_the_end(run, file):
            break

    failure = await run.failure()

    await until_told(runs, run)
    gate.touch()
    assert "BudgetExceeded" in failure
    assert f"its time budget of {seconds} s has passed" in failure
    assert providers.positions(model) == [0]
    assert effects(file).total() <= repetitions(runs, run)


async def test_an_answer_that_never_comes_whole_is_paid_for_as_often_as_settings_allow(
    runs: Runs, providers: Providers
) -> None:
    model = providers.will(Turn("never whole, whatever", cut_after=2))
    run = await runs.agent("try", model)

    failure = await run.failure()

    assert "ModelLost" in failure
    assert len(providers.heard(model)) == 4


async def test_who_steers_a_run_that_is_leaving_is_told_so(
    runs: Runs, providers: Providers, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaving, may_leave = asyncio.Event(), asyncio.Event()
    real = ask_agent.asked

    async def held_up(agents: Any, agent: str, message: Any, *words: Any, **more: Any) -> Any:
        if isinstance(message, Leave):
            leaving.set()
            await may_leave.wait()
        return await real(agents, agent, message, *words, **more)

    monkeypatch.setattr(think, "asked", held_up)
    given = {"goal": "a colour", "model": providers.will(Turn("green"))}
    handle = await runs.client.start_workflow("agent", given, id=f"leaves-{uuid4().hex[:8]}", task_queue=queue)
    await asyncio.wait_for(leaving.wait(), 60)

    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await handle.execute_update("steer", "rather blue")
    may_leave.set()

    assert "hears nothing more: go on with `resprout runs continue`" in str(refused.value.cause)
    assert (await handle.result())["answer"] == "green"


async def test_the_answer_of_the_last_iteration_is_given_though_somebody_steers(
    runs: Runs, providers: Providers, file: Path, key: str
) -> None:
    model = providers.will(Turn("green", gate=str(file)))
    run = await runs.agent("a colour", model, agent=key, max_iterations=1)
    await run.until(lambda _: providers.heard(model))
    say(runs, "runs", "steer", run.handle.id, "rather blue")
    file.touch()

    result = await run.result()
    say(runs, "runs", "continue", run.handle.id, "--goal", "and now?")

    assert (result["status"], result["answer"]) == ("answered", "green")
    assert texts(providers.heard(model)[1]) == ["a colour", "green", "rather blue", "and now?"]


async def test_who_continues_a_run_gives_it_no_rights(runs: Runs, providers: Providers) -> None:
    chain = ["user:alice", "run:small", "agent:boss/a"]
    run = await runs.agent("x", providers.will(COUNTS, Turn("done")), max_iterations=1, tools=["text.*"], chain=chain)
    await run.result()

    again = json.loads(say(runs, "runs", "continue", run.handle.id, "--json"))
    third = json.loads(say(runs, "runs", "continue", again["id"], "--goal", "more", "--json"))

    for id in (again["id"], third["id"]):  # noqa: A001
        history = await runs.client.get_workflow_handle(id).fetch_history()
        (payload,) = history.events[0].workflow_execution_started_event_attributes.input.payloads
        given = AgentRunInput.model_validate_json(payload.data)
        assert given.chain == (*chain, identity.user())
        assert (given.principal, given.agent) == ("brain/run", None)
        assert (given.continues or "").startswith(f"{run.handle.id}@")


async def test_a_member_of_the_crew_cannot_have_the_conversation_of_who_waits_for_it(
    runs: Runs, providers: Providers, key: str
) -> None:
    gives = Turn(uses=(Use("crew.delegate", {"to": "x", "goal": "y"}),))
    leads, follows = providers.will(gives, Turn("so be it")), providers.will(gives, Turn("nor I"))
    below = {"x": {"key": key, "model": providers.will(Turn("never"))}}
    member = {"key": f"{key}-other", "model": follows, "crew": below}
    run = await runs.agent("g", leads, agent=key, crew={"x": member})

    assert (await run.result())["answer"] == "so be it"
    told = texts(providers.heard(follows)[1])[-1]
    assert f"brain/{key} is the conversation of a run that would wait for this one" in told
