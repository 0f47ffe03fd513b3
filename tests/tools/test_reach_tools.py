"""Tools that reach agents and runs, on a real stack."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from resprout.activities.tools.builtin import agents, runs
from resprout.activities.tools.reach_agents import CallAgents
from resprout.activities.tools.tool import BadArguments, Tool, ToolCall, ToolError
from resprout.actors.errors import NotFound, Rejected
from resprout.memory.database import Database
from resprout.memory.registry import Registry
from resprout.runtime.client import Client
from resprout.runtime.flow_start import BadFlow
from resprout.runtime.settings import Settings
from resprout.runtime.stack.find import attach
from resprout.runtime.tool_runs import CallRuns
from support.clerks import Work
from support.stack import Stack
from support.tool_calls import hands as bare_hands
from support.waiting import until_found

TENANT = "acme"


@pytest.fixture
async def call(stack: Stack, tmp_path: Path) -> AsyncIterator[ToolCall]:
    settings = attach(Settings(data_dir=stack.data_dir), "ray.address", "postgres.dsn", "temporal.address")
    assert settings.postgres.dsn is not None
    database = await Database.open(settings.postgres.dsn.get_secret_value(), pool_size=1)

    async def registry() -> Registry:
        return Registry(database)

    async with await Client.connect(settings, tenant=TENANT) as client:
        key, who = uuid4().hex, "agent:tester/ada"
        reached = CallAgents(client.caller, registry, key, datetime.now(UTC), who, TENANT)
        yield ToolCall(key, TENANT, who, tmp_path, None, reached, CallRuns(client.runs, key, TENANT, (who,)))
    await database.close()


async def use(call: ToolCall, tool: Tool, **arguments: Any) -> Any:
    return await tool.run(call, tool.parse(arguments))


def flow(*tasks: dict[str, Any], name: str = "small", **more: Any) -> dict[str, Any]:
    return {"flow": {"name": name}, "tasks": list(tasks), **more}


def ask(agent: str, **body: Any) -> dict[str, Any]:
    return {"id": "a", "agent": agent, "ask": "clerk.work", "with": body}


async def test_the_same_ask_twice_is_one_message(call: ToolCall) -> None:
    clerk = f"clerk/{uuid4().hex[:8]}"

    first = await use(call, agents.ask, agent=clerk, message="clerk.work", body={"by": 3})
    again = await use(call, agents.ask, agent=clerk, message="clerk.work", body={"by": 3})

    assert first == again == {"message": "clerk.done", "body": {"count": 3}}


async def test_what_cannot_be_asked_is_said(call: ToolCall) -> None:
    with pytest.raises(BadArguments, match="write kind/key"):
        await use(call, agents.ask, agent="clerk", message="clerk.work")
    with pytest.raises(Rejected, match=r"clerk\.wrk"):
        await use(call, agents.ask, agent="clerk/x", message="clerk.wrk")
    assert [str(one) for one in agents.ask.needs(agents.ask.parse({"agent": "clerk/x", "message": "m"}))] == [
        "agents.ask:clerk/x"
    ]


async def test_what_is_told_twice_is_handled_once(call: ToolCall, stack: Stack) -> None:
    clerk = f"clerk/{uuid4().hex[:8]}"

    told = [await use(call, agents.tell, agent=clerk, message="clerk.work", body={"by": 5}) for _ in range(2)]
    other = replace(call.agents, key=uuid4().hex)  # type: ignore[type-var]
    counted = await use(replace(call, agents=other), agents.ask, agent=clerk, message="clerk.work", body={"by": 1})

    assert told[0] == told[1]
    assert counted["body"] == {"count": 6}
    with pytest.raises(Rejected, match=r"clerk\.nothing"):
        await use(call, agents.tell, agent=clerk, message="clerk.nothing")


async def test_agents_are_found_by_what_they_can_do(call: ToolCall) -> None:
    clerk = f"clerk/{uuid4().hex[:8]}"
    await use(call, agents.ask, agent=clerk, message="clerk.work")

    found = await use(call, agents.find, capability="counting", kind="clerk", most=200)

    (one,) = [agent for agent in found if agent["agent"] == clerk]
    assert (one["health"], one["capabilities"]) == ("healthy", ["counting"])
    assert Work.message_name in one["messages"]
    assert await use(call, agents.find, capability="flying") == []
    with pytest.raises(BadArguments, match="`most`"):
        await use(call, agents.find, most=0)


async def ended(call: ToolCall, run: str) -> dict[str, Any]:
    shown = await until_found(
        lambda: use(call, runs.show, run=run), lambda found: found["ended_at"] is not None, patience=30
    )
    return dict(shown)


async def test_the_same_start_twice_is_one_run_even_when_it_has_ended(call: ToolCall) -> None:
    given = flow(ask(f"clerk/{uuid4().hex[:8]}", by=2), outputs={"n": "${{ tasks.a.output.count }}"})

    first = await use(call, runs.start, flow=given)
    shown = await ended(call, first["run"])
    again = await use(call, runs.start, flow=given)

    assert first == again
    assert (shown["status"], shown["tenant"]) == ("completed", TENANT)
    assert await use(call, runs.output, run=first["run"]) == {"n": 2}

    async def listed() -> int:
        found = await use(call, runs.list_runs, status="completed", most=200)
        return [run["id"] for run in found].count(first["run"])

    assert await until_found(listed, patience=60) == 1  # lists hear of it a little later


async def test_a_run_is_cancelled(call: ToolCall) -> None:
    run = (await use(call, runs.start, flow=flow({"id": "w", "wait": {"signal": "go"}}, name="waiting")))["run"]

    with pytest.raises(ToolError, match="has no output yet"):
        await use(call, runs.output, run=run)
    assert (await use(call, runs.cancel, run=run, reason="enough"))["cancelling"]
    assert (await ended(call, run))["status"] == "cancelled"
    with pytest.raises(ToolError, match=f"the run {run} was cancelled"):
        await use(call, runs.output, run=run)
    with pytest.raises(ToolError, match="has ended already"):
        await use(call, runs.cancel, run=run)


@pytest.mark.parametrize("tool", [runs.show, runs.output, runs.cancel], ids=lambda one: one.name)
async def test_a_run_of_another_tenant_is_none(call: ToolCall, tool: Tool) -> None:
    elsewhere = replace(call, runs=replace(call.runs, tenant="other"))  # type: ignore[type-var]
    run = (await use(elsewhere, runs.start, flow=flow({"id": "w", "wait": {"duration": "1ms"}})))["run"]

    with pytest.raises(NotFound, match=f"there is no run {run}: list them with run.list"):
        await use(call, tool, run=run)


async def test_a_flow_with_mistakes_is_not_started(call: ToolCall) -> None:
    with pytest.raises(BadFlow, match="tasks"):
        await use(call, runs.start, flow={"flow": {"name": "empty"}})
    with pytest.raises(BadFlow, match="cannot be read"):
        await use(call, runs.start, flow=flow({"id": "c", "flow": "./child.flow.yaml"}))
    with pytest.raises(Rejected, match="there is no such status"):
        await use(call, runs.list_runs, status="lost")
    assert [str(one) for one in runs.start.needs(runs.start.parse({"flow": flow(name="big")}))] == ["runs.start:big"]


@pytest.mark.parametrize("tool", [agents.find, runs.list_runs], ids=lambda one: one.name)
async def test_without_a_worker_nobody_is_reached(tmp_path: Path, tool: Tool) -> None:
    with pytest.raises(ToolError, match="call it where a worker runs"):
        await bare_hands(tmp_path).use(tool)
