"""How often tools may be called."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from resprout.activities.tools.calling import Throttled
from resprout.activities.tools.policy import Denied
from resprout.memory.audit import Audit
from resprout.memory.database import Database
from resprout.memory.tools import ToolRegistry
from support.desk import AGENT, Desk


async def test_a_rate_holds_and_says_when_to_come_back(desk: Desk) -> None:
    for _ in range(2):
        await desk.output(desk.request("world.rated"))

    with pytest.raises(Throttled, match=r"world\.rated may be called 2 times in 60 s, and was") as over:
        await desk.call(desk.request("world.rated"))

    assert [(event.kind, event.verdict) for event in desk.log] == [("throttled", "deny")]
    assert over.value.retry_after is not None
    assert timedelta(0) < over.value.retry_after <= timedelta(minutes=1)
    assert desk.world.done == ["it", "it"]


async def test_a_call_that_is_throttled_again_and_again_leaves_one_row(desk: Desk, database: Database) -> None:
    log = Audit(database.opened)
    desk = replace(desk, caller=replace(desk.caller, audit=log.append))
    for _ in range(2):
        await desk.call(desk.request("world.rated"))
    request = desk.request("world.rated")

    for _ in range(3):
        with pytest.raises(Throttled):
            await desk.call(request)
    desk.rules.verdict = "deny"
    with pytest.raises(Denied):
        await desk.call(request)

    rows = await log.search(tenant=desk.tenant, text=request.step)
    assert [row.kind for row in reversed(rows)] == ["throttled", "decided"]


async def test_a_rate_holds_against_many_at_once(desk: Desk) -> None:
    results = await asyncio.gather(*(desk.call(desk.request("world.rated")) for _ in range(6)), return_exceptions=True)

    assert len(desk.world.done) == 2
    assert sum(isinstance(result, Throttled) for result in results) == 4


async def test_a_quota_is_for_whoever_it_names(desk: Desk, desks: Database) -> None:
    registry = ToolRegistry(desks.opened)
    await registry.set_quota(desk.tenant, "agent:writer/a", "*", 1, timedelta(minutes=1), "user:ada")
    await desk.output(desk.request("world.safe"))

    with pytest.raises(Throttled, match="tools may be called by agent:writer/a 1 times"):
        await desk.call(desk.request("world.keyed"))

    assert await desk.output(desk.request("world.keyed", ["user:ada", "agent:writer/b"])) == "did it"


async def test_a_quota_counts_what_others_do_on_behalf_of_whom_it_names(desk: Desk, desks: Database) -> None:
    await ToolRegistry(desks.opened).set_quota(
        desk.tenant, "agent:writer/a", "world.safe", 1, timedelta(minutes=1), "user:ada"
    )
    await desk.output(desk.request("world.safe", (*AGENT, "run:child")))

    with pytest.raises(Throttled, match="by agent:writer/a 1 times"):
        await desk.call(desk.request("world.safe", (*AGENT, "run:another")))
    with pytest.raises(Throttled, match="by agent:writer/a 1 times"):
        await desk.call(desk.request("world.safe"))


async def test_a_step_on_record_is_answered_though_its_rate_is_used_up(desk: Desk) -> None:
    requests = [desk.request("world.rated") for _ in range(2)]
    for request in requests:
        await desk.output(request)

    assert await desk.output(requests[0]) == "did it"
