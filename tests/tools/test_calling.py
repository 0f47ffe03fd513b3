"""One call of a tool: what is allowed happens once, and after a kill as its contract says."""

import asyncio
import json
from uuid import uuid4

import pytest
from resprout.activities.contracts import ToolDone
from resprout.activities.tools.policy import Denied
from support.desk import AGENT, Desk


async def test_a_call_that_is_allowed_is_done_and_recorded(desk: Desk) -> None:
    request = desk.request("world.once", what="a letter")

    assert await desk.output(request) == "did a letter"

    effect = await desk.caller.effects.find(request.step)
    assert effect is not None
    assert (effect.state, effect.tool, json.loads(effect.arguments)) == ("done", "world.once", {"what": "a letter"})
    assert effect.chain == list(AGENT)


async def test_a_step_that_is_tried_again_gets_what_is_on_record(desk: Desk) -> None:
    request = desk.request("world.once", what="a letter")
    first = await desk.call(request)

    assert await desk.call(request) == first

    assert desk.world.done == ["a letter"]


async def test_what_is_denied_does_not_happen(desk: Desk) -> None:
    desk.rules.verdict = "deny"
    request = desk.request("world.safe")

    with pytest.raises(Denied, match=r"world\.safe@1\.0\.0 is not allowed: the test says so\."):
        await desk.call(request)

    assert desk.world.done == []
    assert [(event.kind, event.verdict) for event in desk.log] == [("decided", "deny")]
    assert await desk.caller.effects.find(request.step) is None


async def test_two_attempts_at_once_give_one_outcome(desk: Desk) -> None:
    request = desk.request("world.once")

    results = await asyncio.gather(*(desk.call(request) for _ in range(5)))

    assert desk.world.done == ["it"]
    done = [result for result in results if isinstance(result, ToolDone)]
    assert done
    assert await desk.output(request) == "did it"


async def test_another_tenant_s_run_of_the_same_name_keeps_no_version_for_this_one(desk: Desk) -> None:
    await desk.call(desk.request("world.safe"))

    assert await desk.caller.effects.has_called(desk.tenant, "run-1", "world.safe", "1.0.0")
    assert not await desk.caller.effects.has_called(uuid4().hex, "run-1", "world.safe", "1.0.0")


# Killed in the middle.


@pytest.mark.parametrize("name", ["world.safe", "world.keyed"])
async def test_what_may_be_repeated_is_repeated_with_the_same_key(desk: Desk, name: str) -> None:
    request = desk.request(name, hang=True)
    await desk.killed(request)

    task = asyncio.create_task(desk.call(request))
    desk.world.meanwhile.clear()
    await desk.world.meanwhile.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert desk.world.done == ["it", "it"]
    assert len({call.key for call in desk.world.seen}) == 1


@pytest.mark.parametrize("name", ["world.safe", "world.keyed"])
async def test_a_call_that_is_begun_again_leaves_a_row(desk: Desk, name: str) -> None:
    request = desk.request(name, hang=True)
    await desk.killed(request)

    await desk.killed(request)

    kind, why = (await desk.rows(request))[-1]
    assert kind == "repeated"
    assert why.endswith("ended before it could say what became of it: attempt 2.")
