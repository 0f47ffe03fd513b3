"""How a workflow calls a tool: the activity, and what people must say before or after it.

The call is the same activity each time, with the same step: it finds on record how far the call came. So a run that is
carried over while somebody is asked, or whose worker dies, simply asks again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from pydantic import JsonValue
from temporalio import workflow

from ...activities.contracts import (
    ANSWER_APPROVAL,
    CALL_TOOL,
    RESOLVE_EFFECT,
    AnswerInput,
    ResolveInput,
    ToolDone,
    ToolInDoubt,
    ToolInput,
    ToolOutput,
    ToolWaits,
)
from ..asking import HEARTBEAT_TIMEOUT, RETRY
from .approvals import Answer, Approvals, record

# A tool keeps its own time, see its manifest. The step is never given up: only by the same key it is known whether it
# was done. What limits it is the flow's own `timeout`.
LONGEST = timedelta(hours=1)
LOOK_AGAIN = timedelta(seconds=1)  # behind the moment at which an approval expires
# What is in doubt may end after all: whoever was taken for dead can be slow.
FIRST_LOOK, LAST_LOOK = timedelta(minutes=1), timedelta(hours=6)


class Watcher(Protocol):
    """Who is told what the call does."""

    def acts(self, acts: bool) -> None: ...
    def waits(self, note: str) -> None: ...
    def goes_on(self) -> None: ...


@dataclass
class ToolCalls:
    approvals: Approvals
    versions: dict[str, str]  # what each reference has meant in this run: a newer version does not change it

    async def call(self, request: ToolInput, title: str, watcher: Watcher) -> Any:
        return (await self.done(request, title, watcher)).output

    async def done(self, request: ToolInput, title: str, watcher: Watcher) -> ToolDone:
        reference, look = request.tool, FIRST_LOOK
        while True:
            request = request.model_copy(update={"tool": self.versions.get(reference, reference)})
            result = await self._act(request, title, watcher)
            self.versions[reference] = result.tool
            match result:
                case ToolDone():
                    return result
                case ToolWaits():
                    watcher.waits(f"approval of {result.tool}")
                    left = timedelta(seconds=result.seconds_left) if result.seconds_left is not None else None
                    pending = PendingCall(result, title, workflow.now(), left)
                    await self.approvals.wait(request.task, pending, left + LOOK_AGAIN if left is not None else None)
                case ToolInDoubt():
                    watcher.waits(f"{result.tool} is in doubt: was it done?")
                    await self.approvals.wait(request.task, PendingDoubt(result, title, workflow.now()), look)
                    look = min(look * 2, LAST_LOOK)
            watcher.goes_on()

    async def _act(self, request: ToolInput, title: str, watcher: Watcher) -> ToolDone | ToolWaits | ToolInDoubt:
        watcher.acts(True)
        try:
            output: ToolOutput = await workflow.execute_activity(
                CALL_TOOL,
                request,
                result_type=ToolOutput,
                start_to_close_timeout=LONGEST,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RETRY,
                summary=f"{title}: {request.tool}"[:200],
            )
        finally:
            watcher.acts(False)
        return output.result


@dataclass
class PendingCall:
    """A call that somebody must approve first."""

    waits: ToolWaits
    title: str
    since: datetime
    left: timedelta | None

    def as_json(self, key: str) -> dict[str, Any]:
        return {
            "kind": "tool",
            "task": key,
            "title": self.title,
            "who": list(self.waits.who),
            "show": {"tool": self.waits.tool, "arguments": self.waits.arguments, "reasons": list(self.waits.reasons)},
            "approval": self.waits.approval,
            "form": {},
            "since": self.since.isoformat(),
            "until": (self.since + self.left).isoformat() if self.left is not None else None,
            "default": None,
        }

    def problem(self, answer: Answer, key: str) -> str | None:
        if answer.decision not in ("approve", "reject"):
            return f"`{key}` is to be approved or rejected."
        if answer.approval not in (None, self.waits.approval):
            return f"`{key}` waits for another answer by now: look again, with `resprout approvals list`."
        if answer.form:
            return f"`{key}` is a call of {self.waits.tool} and has no form: edit its arguments instead."
        return None

    async def record(self, answer: Answer) -> None:
        given = AnswerInput(
            approval=self.waits.approval,
            approved=answer.decision == "approve",
            by=answer.by,
            comment=answer.comment,
            arguments=answer.arguments,
        )
        await record(ANSWER_APPROVAL, given, f"answer to {self.title}")

    def value(self, answer: Answer) -> dict[str, JsonValue]:
        return {}  # what was said is on record, and the next try of the call finds it there


@dataclass
class PendingDoubt:
    """A call of which nobody knows whether it was done."""

    doubt: ToolInDoubt
    title: str
    since: datetime

    def as_json(self, key: str) -> dict[str, Any]:
        return {
            "kind": "in-doubt",
            "task": key,
            "title": self.title,
            "who": [],
            "show": {"tool": self.doubt.tool, "known": self.doubt.known},
            "effect": self.doubt.effect,
            "form": {},
            "since": self.since.isoformat(),
            "until": None,
            "default": None,
        }

    def problem(self, answer: Answer, key: str) -> str | None:
        if answer.decision in ("approve", "reject"):
            return f"`{key}` is in doubt: find out whether it was done, and say done, failed or again."
        if answer.effect not in (None, self.doubt.effect):
            return f"another call of `{key}` is in doubt by now: look again, with `resprout effects in-doubt`."
        return None

    async def record(self, answer: Answer) -> None:
        assert answer.decision in ("done", "failed", "again")
        given = ResolveInput(
            effect=self.doubt.effect,
            resolution=answer.decision,
            by=answer.by,
            comment=answer.comment,
            result=answer.result,
        )
        await record(RESOLVE_EFFECT, given, f"what became of {self.title}")

    def value(self, answer: Answer) -> dict[str, JsonValue]:
        return {}
