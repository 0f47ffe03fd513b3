"""Calls that may happen once and whose process ended: nobody repeats them, and people say what became of them."""

from contextlib import suppress
from dataclasses import replace
from typing import Literal

import pytest
from resprout.activities.contracts import ResolveInput, ToolInDoubt
from resprout.activities.tools.outcomes import RecordedFailure
from resprout.activities.tools.policy import Denied
from resprout.activities.tools.toolbox import Toolbox
from resprout.actors.errors import Rejected
from support.desk import Desk


async def test_what_may_happen_once_is_in_doubt_and_is_not_repeated(desk: Desk) -> None:
    request = desk.request("world.once", hang=True)
    await desk.killed(request)

    for _ in range(2):
        result = await desk.call(request)
        assert isinstance(result, ToolInDoubt)
        assert result.known == "the process that called it ended before it could say what became of it."

    assert desk.world.done == ["it"]
    assert desk.log == []  # the doubt is in the audit log by the commit of the effect, not beside it


async def test_a_call_whose_tool_is_gone_since_is_in_doubt_all_the_same(desk: Desk) -> None:
    request = desk.request("world.once", hang=True)
    await desk.killed(request)
    others = [one for one in desk.world.tools() if one.name != "world.once"]

    result = await replace(desk.caller, toolbox=Toolbox(others)).call(request, "run-1")

    assert isinstance(result, ToolInDoubt)
    assert result.tool == "world.once@1.0.0"


@pytest.mark.parametrize(("name", "end"), [("keyed", "in-doubt"), ("safe", "failed")])
async def test_a_call_whose_tool_is_gone_does_not_stay_begun_for_ever(desk: Desk, name: str, end: str) -> None:
    request = desk.request(f"world.{name}", hang=True)
    await desk.killed(request)
    desk.caller.toolbox.leave_out(f"world.{name}", "1.0.0")

    with suppress(RecordedFailure):
        await desk.call(request)

    effect = await desk.caller.effects.find(request.step)
    assert effect is not None
    assert (effect.state, f"there is no tool 'world.{name}'" in (effect.error or "")) == (end, True)
    assert len(desk.world.done) == 1


async def test_a_call_that_is_to_be_done_again_by_a_tool_that_is_gone_fails(desk: Desk) -> None:
    request = desk.request("world.once", hang=True)
    await desk.killed(request)
    await desk.call(request)
    await desk.doubts.resolve(ResolveInput(effect=request.step, resolution="again", by="ada"))
    desk.caller.toolbox.leave_out("world.once", "1.0.0")

    with pytest.raises(RecordedFailure, match="user:ada would have it done again, but there is no tool"):
        await desk.call(request)

    effect = await desk.caller.effects.find(request.step)
    assert effect is not None
    assert effect.state == "failed"


async def test_a_call_in_doubt_that_was_done_goes_on_with_its_result(desk: Desk) -> None:
    request = desk.request("world.once", hang=True)
    await desk.killed(request)
    await desk.call(request)

    await desk.doubts.resolve(
        ResolveInput(effect=request.step, resolution="done", by="bob", result="found it in the outbox")
    )

    assert await desk.output(request) == "found it in the outbox"
    assert desk.world.done == ["it"]


async def test_a_call_in_doubt_that_was_not_done_fails(desk: Desk) -> None:
    request = desk.request("world.once", hang=True)
    await desk.killed(request)
    await desk.call(request)

    await desk.doubts.resolve(ResolveInput(effect=request.step, resolution="failed", by="bob", comment="not there"))

    with pytest.raises(RecordedFailure, match="user:bob says that it was not done: not there"):
        await desk.call(request)


async def test_a_call_in_doubt_is_done_again_when_somebody_says_so(desk: Desk) -> None:
    request = desk.request("world.once", hang=True)
    await desk.killed(request)
    await desk.call(request)
    await desk.doubts.resolve(ResolveInput(effect=request.step, resolution="again", by="bob"))

    await desk.killed(request)

    assert desk.world.done == ["it", "it"]
    assert isinstance(await desk.call(request), ToolInDoubt)  # once more in doubt, not once more done


@pytest.mark.parametrize("said", ["done", "failed", "again"])
async def test_what_became_of_a_call_is_said_once(desk: Desk, said: Literal["done", "failed", "again"]) -> None:
    request = desk.request("world.once", hang=True)
    every: tuple[Literal["done", "failed", "again"], ...] = ("done", "failed", "again")
    words = {word: ResolveInput(effect=request.step, resolution=word, by="bob") for word in every}
    await desk.killed(request)
    await desk.call(request)
    await desk.doubts.resolve(words[said])

    await desk.doubts.resolve(words.pop(said))  # the same, tried again
    for other in words.values():
        with pytest.raises(Rejected, match="is not in doubt"):
            await desk.doubts.resolve(other)


async def test_who_may_not_resolve_a_doubt_does_not(desk: Desk) -> None:
    request = desk.request("world.once", hang=True)
    await desk.killed(request)
    await desk.call(request)
    desk.rules.answers = "deny"

    with pytest.raises(Denied, match="agent:writer/a may not resolve"):
        await desk.doubts.resolve(ResolveInput(effect=request.step, resolution="done", by="agent:writer/a"))

    assert isinstance(await desk.call(request), ToolInDoubt)
    assert desk.log[-1].kind == "refused"


async def test_a_word_of_nobody_on_a_doubt_is_refused(desk: Desk) -> None:
    request = desk.request("world.once", hang=True)
    await desk.killed(request)
    await desk.call(request)

    with pytest.raises(Rejected, match="is nobody who could answer"):
        await desk.doubts.resolve(ResolveInput(effect=request.step, resolution="done", by="user:"))


async def test_a_call_that_somebody_has_done_again_leaves_a_row(desk: Desk) -> None:
    request = desk.request("world.once", hang=True)
    await desk.killed(request)
    await desk.call(request)
    await desk.doubts.resolve(ResolveInput(effect=request.step, resolution="again", by="bob"))

    await desk.killed(request)

    rows = await desk.rows(request)
    assert [kind for kind, _ in rows] == ["decided", "in-doubt", "resolved", "repeated"]
    assert rows[-1][1] == "user:bob has it done again: attempt 2."
