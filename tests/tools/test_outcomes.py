"""How a call ended: it is on record once, whatever the tool says, however many attempts there were."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest
from resprout.activities.contracts import ToolDone, ToolInDoubt
from resprout.activities.sandbox.backend import InDoubt
from resprout.activities.tools.outcomes import RecordedFailure
from resprout.activities.tools.tool import Tool, ToolCall, ToolError, tool
from resprout.actors.errors import NotRunning, Unavailable
from resprout.memory.audit import AuditEvent
from resprout.memory.effects import Effects
from support.desk import Desk


@dataclass
class Rivals:
    """A tool that two attempts work on at once: the test says when each ends."""

    first_fails: bool = False
    first_began: asyncio.Event = field(default_factory=asyncio.Event)
    first_goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    second_began: asyncio.Event = field(default_factory=asyncio.Event)
    second_goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    def tool(self) -> Tool:
        async def act(call: ToolCall) -> str:
            """Is done by two."""
            if not self.first_began.is_set():
                self.first_began.set()
                await self.first_goes_on.wait()
                return self._ended("first", fails=self.first_fails)
            self.second_began.set()
            if self.first_fails:
                await self.second_goes_on.wait()
            return self._ended("second", fails=not self.first_fails)

        return tool("world.rivals", version="1.0.0", contract="safe-to-retry")(act)

    def _ended(self, which: str, *, fails: bool) -> str:
        if fails:
            raise ToolError(f"the {which} one says no.")
        return f"the {which} one did it"


@dataclass(frozen=True)
class SlowRecord(Effects):
    """Writes down that a call was done only when the test lets it."""

    began: asyncio.Event = field(default_factory=asyncio.Event)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def done(self, key: str, owner: UUID, result: Any, events: Sequence[AuditEvent]) -> bool:
        self.began.set()
        await self.goes_on.wait()
        return await super().done(key, owner, result, events)


async def test_a_failure_is_on_record_too(desk: Desk) -> None:
    desk.world.ends_badly = ToolError("there is no such street.")
    request = desk.request("world.once")

    for _ in range(2):
        with pytest.raises(RecordedFailure, match=r"world\.once@1\.0\.0: there is no such street\.") as failure:
            await desk.call(request)
        assert failure.value.kind == "ToolError"

    assert desk.world.done == ["it"]


@pytest.mark.parametrize(("odd", "kept"), [("\0", r"\\0"), ("\ud800", r"\\ud800")], ids=["null", "half a character"])
@pytest.mark.parametrize("name", ["world.safe", "world.once"])
async def test_a_failure_is_on_record_whatever_characters_it_says(desk: Desk, name: str, odd: str, kept: str) -> None:
    desk.world.ends_badly = ToolError(f"the server says: a{odd}b")
    request = desk.request(name)

    for _ in range(2):
        with pytest.raises(RecordedFailure, match=f"the server says: a{kept}b"):
            await desk.call(request)

    assert desk.world.done == ["it"]


@pytest.mark.parametrize("odd", ["\0", "\ud800"], ids=["null", "half a character"])
async def test_a_doubt_is_on_record_whatever_characters_it_says(desk: Desk, odd: str) -> None:
    desk.world.ends_badly = InDoubt(f"the machine says: a{odd}b")

    assert isinstance(await desk.call(desk.request("world.once")), ToolInDoubt)


async def test_a_result_that_cannot_be_kept_is_a_failure_that_says_so(desk: Desk) -> None:
    with pytest.raises(RecordedFailure, match="gave 1,200,006 bytes, and 1,000,000 are kept"):
        await desk.call(desk.request("world.safe", what="x" * 1_200_000))
    with pytest.raises(RecordedFailure, match="cannot be kept"):
        await desk.call(desk.request("world.half"))


@pytest.mark.parametrize("given", ["x" * 1_200_000, "\ud800"], ids=["too large", "half a character"])
async def test_what_was_done_is_not_recorded_as_failed_since_its_result_cannot_be_kept(desk: Desk, given: str) -> None:
    async def act(call: ToolCall) -> str:
        """Does it, and says too much."""
        desk.world.done.append("sent")
        return given

    desk.caller.toolbox.add(tool("world.loud", version="1.0.0", contract="at-most-once")(act))

    result = await desk.call(desk.request("world.loud"))

    assert isinstance(result, ToolInDoubt)
    assert "it was done, but" in result.known
    assert desk.world.done == ["sent"]


async def test_a_call_that_takes_too_long_and_may_happen_once_is_in_doubt(desk: Desk) -> None:
    result = await desk.call(desk.request("world.quick", hang=True))

    assert isinstance(result, ToolInDoubt)
    assert "it took longer than 0.05 s" in result.known


@pytest.mark.parametrize("name", ["safe", "keyed", "once"])
async def test_what_a_tool_itself_calls_in_doubt_is_in_doubt(desk: Desk, name: str) -> None:
    desk.world.ends_badly = InDoubt("its machine was lost.")

    result = await desk.call(desk.request(f"world.{name}"))

    assert isinstance(result, ToolInDoubt)
    assert result.known == "its machine was lost."


async def test_what_is_away_for_a_while_is_tried_again_unless_it_may_happen_once(desk: Desk) -> None:
    desk.world.ends_badly = NotRunning("the post office is closed.")

    with pytest.raises(NotRunning):
        await desk.call(desk.request("world.keyed"))
    assert isinstance(await desk.call(desk.request("world.once")), ToolInDoubt)


# The run is cancelled, or another attempt has taken over.


@pytest.mark.parametrize(("name", "end"), [("safe", "failed"), ("keyed", "in-doubt"), ("once", "in-doubt")])
async def test_a_run_that_is_cancelled_leaves_no_call_open(desk: Desk, name: str, end: str) -> None:
    request = desk.request(f"world.{name}", hang=True)
    task = asyncio.create_task(desk.call(request))
    await desk.world.meanwhile.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    effect = await desk.caller.effects.find(request.step)
    assert effect is not None
    assert effect.state == end
    assert "the run was cancelled" in (effect.error or "")


async def test_what_happened_is_on_record_though_the_run_is_cancelled_meanwhile(desk: Desk) -> None:
    recording = SlowRecord(desk.caller.effects.open)
    request = desk.request("world.once")
    task = asyncio.create_task(replace(desk.caller, effects=recording).call(request, "run-1"))
    await recording.began.wait()

    task.cancel()
    recording.goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await desk.output(request) == "did it"
    assert desk.world.done == ["it"]


async def test_an_attempt_that_ends_late_gives_what_is_on_record(desk: Desk) -> None:
    rivals = Rivals()
    desk.caller.toolbox.add(rivals.tool())
    request = desk.request("world.rivals")
    first = asyncio.create_task(desk.call(request))
    await rivals.first_began.wait()
    with pytest.raises(RecordedFailure, match="the second one says no"):
        await desk.call(request)

    rivals.first_goes_on.set()

    with pytest.raises(RecordedFailure, match="the second one says no"):
        await first
    assert [event.kind for event in desk.log] == ["late"]


async def test_the_failure_of_an_attempt_says_nothing_of_the_one_that_took_over(desk: Desk) -> None:
    rivals = Rivals(first_fails=True)
    desk.caller.toolbox.add(rivals.tool())
    request = desk.request("world.rivals")
    first = asyncio.create_task(desk.call(request))
    await rivals.first_began.wait()
    second = asyncio.create_task(desk.call(request))
    await rivals.second_began.wait()

    rivals.first_goes_on.set()
    with pytest.raises(Unavailable, match="another worker has taken over"):
        await first
    rivals.second_goes_on.set()

    assert await second == ToolDone(tool="world.rivals@1.0.0", output="the second one did it")
