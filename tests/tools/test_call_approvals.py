"""Calls that people approve, reject or edit before they happen."""

import asyncio
import json
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from resprout.activities.approve import Approve
from resprout.activities.contracts import AnswerInput, ToolDone, ToolWaits
from resprout.activities.tools.calling import StepTaken
from resprout.activities.tools.policy import Denied
from resprout.activities.tools.tool import ToolCall, ToolError, tool
from resprout.activities.tools.toolbox import Toolbox
from resprout.actors.errors import Rejected
from support.desk import AGENT, Desk
from temporalio.exceptions import ApplicationError


async def test_a_call_that_needs_approval_waits_and_then_happens_as_approved(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once", what="a letter")

    waits = await desk.call(request)
    assert isinstance(waits, ToolWaits)
    assert (waits.arguments, waits.reasons) == ({"what": "a letter"}, ("the test says so.",))
    assert desk.world.done == []

    await desk.answer(request)
    assert await desk.output(request) == "did a letter"
    assert desk.world.done == ["a letter"]


@pytest.mark.parametrize(
    ("shown", "problem"),
    [
        (OSError("no such\0disk"), r"what would change cannot be shown: OSError: no such\0disk"),
        (ToolError("half\ud800"), r"half\ud800"),
        (object(), "what would change cannot be shown: TypeError: Object of type object is not JSON serializable"),
    ],
    ids=["a defect", "an odd answer", "no JSON"],
)
async def test_people_are_asked_though_the_preview_fails(desk: Desk, shown: object, problem: str) -> None:
    async def act(call: ToolCall) -> str:
        """Does something."""
        return "done"

    async def preview(call: ToolCall, arguments: Any) -> Any:
        if isinstance(shown, Exception):
            raise shown
        return shown

    desk.caller.toolbox.add(tool("world.shown", version="1.0.0", preview=preview)(act))
    desk.rules.verdict = "approve"
    request = desk.request("world.shown")

    assert isinstance(await desk.call(request), ToolWaits)

    approval = await desk.approve.approvals.find(request.step)
    assert approval is not None
    assert json.loads(approval.shown or "null") == {"problem": problem}


async def test_edited_arguments_are_what_is_decided_on_and_done(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once", what="a letter")
    await desk.call(request)

    await desk.answer(request, what="a postcard")

    assert await desk.output(request) == "did a postcard"
    assert await desk.output(request) == "did a postcard"  # from the record, though a letter was asked for
    assert desk.rules.asked[-1].arguments == {"what": "a postcard"}


async def test_edited_arguments_that_do_not_fit_are_refused(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once", what="a letter")
    await desk.call(request)

    with pytest.raises(Rejected, match="`why`: there is no such argument"):
        await desk.answer(request, why="because")

    assert isinstance(await desk.call(request), ToolWaits)


async def test_arguments_are_edited_on_a_worker_that_has_not_seen_the_tool_yet(desk: Desk) -> None:
    async def act(call: ToolCall, what: str = "it") -> str:
        """Does something far away."""
        return f"did {what}"

    async def look(reference: str) -> None:
        fresh.add(imported)

    imported = tool("far.do", version="1.0.0")(act)
    fresh = Toolbox(desk.world.tools())
    desk.caller.toolbox.add(imported)
    desk.rules.verdict = "approve"
    request = desk.request("far.do")
    await desk.call(request)

    there = Approve(desk.approve.approvals, desk.rules, fresh, desk.approve.audit, look)
    await replace(desk, approve=there).answer(request, what="a postcard")

    assert await desk.output(request) == "did a postcard"


async def test_a_call_that_was_rejected_does_not_happen(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once")
    await desk.call(request)

    await desk.answer(request, approved=False)

    with pytest.raises(Denied, match="user:bob rejected"):
        await desk.call(request)
    assert desk.world.done == []


async def test_a_call_that_was_rejected_does_not_happen_by_a_later_grant_either(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once")
    await desk.call(request)
    await desk.answer(request, approved=False)

    desk.rules.verdict = "allow"

    with pytest.raises(Denied, match="user:bob rejected"):
        await desk.call(request)
    assert desk.world.done == []


async def test_an_approval_is_for_the_arguments_that_were_shown(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once", what="a letter")
    await desk.call(request)
    await desk.answer(request)
    other = request.model_copy(update={"arguments": {"what": "a bomb"}})

    with pytest.raises(StepTaken, match="names another call already"):
        await desk.call(other)

    assert desk.world.done == []
    assert desk.log[-1].kind == "refused"


async def test_an_approval_is_for_the_version_that_was_shown(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once")
    await desk.call(request)
    await desk.answer(request)

    with pytest.raises(StepTaken, match="names another call already"):
        await desk.call(request.model_copy(update={"tool": "world.safe"}))

    assert desk.world.done == []


async def test_an_approval_holds_though_a_newer_version_has_come(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once")
    await desk.caller.call(request, run := uuid4().hex)

    async def act(call: ToolCall, what: str = "it", hang: bool = False) -> str:
        """Does something else."""
        return "something else"

    desk.caller.toolbox.add(tool("world.once", version="2.0.0", contract="at-most-once")(act))
    await desk.answer(request)
    result = await desk.caller.call(request, run)

    assert result == ToolDone(tool="world.once@1.0.0", output="did it")
    question = [asked for asked in desk.rules.asked if asked.action == "tool.call"][-1]
    assert (question.version, question.newest) == ("1.0.0", "1.0.0")


async def test_nobody_answers_who_may_not(desk: Desk) -> None:
    desk.rules.verdict, desk.rules.answers = "approve", "deny"
    request = desk.request("world.once")
    await desk.call(request)

    with pytest.raises(Denied, match="agent:writer/a may not answer"):
        await desk.answer(request, by="agent:writer/a")

    assert desk.rules.asked[-1].asked_by == AGENT
    assert isinstance(await desk.call(request), ToolWaits)


@pytest.mark.parametrize("by", ["user:", "", "nobody:else", "a" * 300, "ada\nroot", "ad\0a"])
async def test_an_answer_of_nobody_is_refused_for_good(desk: Desk, by: str) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once")
    await desk.call(request)

    with pytest.raises(ApplicationError) as refused:
        await desk.approve.answer(AnswerInput(approval=request.step, approved=True, by=by))

    assert refused.value.non_retryable
    assert isinstance(await desk.call(request), ToolWaits)


async def test_only_those_who_are_named_answer(desk: Desk) -> None:
    desk.rules.verdict, desk.rules.who = "approve", ("carol",)
    request = desk.request("world.once")
    await desk.call(request)

    with pytest.raises(Denied, match="it is for carol to answer, not for user:bob"):
        await desk.answer(request)
    await desk.answer(request, by="carol")

    assert await desk.output(request) == "did it"


async def test_an_answer_is_given_once(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.once")
    await desk.call(request)
    await desk.answer(request)

    await desk.answer(request)  # the same, tried again
    with pytest.raises(Rejected, match="is approved already by user:bob"):
        await desk.answer(request, approved=False, by="carol")


async def test_nobody_waits_for_an_answer_for_ever(desk: Desk) -> None:
    desk.rules.verdict, desk.rules.lasts = "approve", 0.05
    request = desk.request("world.once")
    waits = await desk.call(request)
    assert isinstance(waits, ToolWaits)
    assert waits.seconds_left is not None
    await asyncio.sleep(waits.seconds_left + 0.05)  # it expires by Postgres' clock; there is nothing to wait for

    with pytest.raises(Denied, match="nobody approved"):
        await desk.call(request)
    assert [(event.kind, event.verdict) for event in desk.log] == [("expired", "deny")]
    with pytest.raises(Rejected, match="is expired already"):
        await desk.answer(request)


async def test_a_question_that_nobody_waits_for_any_more_leaves_a_row(desk: Desk) -> None:
    desk.rules.verdict = "approve"
    request = desk.request("world.safe")
    await desk.call(request)

    desk.rules.verdict = "allow"
    await desk.output(request)

    assert ("withdrawn", "it was granted meanwhile.") in await desk.rows(request)
