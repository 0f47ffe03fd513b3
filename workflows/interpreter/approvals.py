"""What a run waits for people to say, and the answers that come: tasks that ask for a decision, calls of tools that
somebody must approve first, and calls of which nobody knows whether they were done.

The invariant: an answer is taken once, and only when it is written down in the inbox (`activities/approve.py`), where
it is seen that whoever gives it may.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, JsonValue
from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from ...activities.contracts import (
    ANSWER_APPROVAL,
    ASK_APPROVAL,
    EXPIRE_APPROVAL,
    AnswerInput,
    ApprovalInput,
    ExpiryInput,
)
from ..asking import RETRY
from ..flow import evaluate
from ..flow.expressions import Scope
from ..flow.model import Approval
from ..flow.schemas import sentences
from .failures import TIMEOUT, UNFIT, TaskFailed

RECORDING = timedelta(seconds=30)
RECORDED_WITHIN = timedelta(minutes=10)  # whoever answers is told then that it was not taken
IN_THE_INBOX = "approvals-inbox"  # runs that began before there was one answer for themselves
EXPIRY_ON_RECORD = "approvals-expiry"  # runs whose questions expired before it was, wrote nothing down


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    task: str | None = None  # the key of the task; may be left out while only one waits
    decision: Literal["approve", "reject", "done", "failed", "again"]
    by: str
    comment: str = ""
    approval: str | None = None  # the id of what was looked at: an answer to something else is refused
    effect: str | None = None  # the same, of a call in doubt
    form: dict[str, JsonValue] = {}
    arguments: dict[str, JsonValue] | None = None  # of a call of a tool, instead of those that were asked about
    result: JsonValue = None  # of a call in doubt that was done


class Pending(Protocol):
    """Something that waits for somebody's answer."""

    def as_json(self, key: str) -> dict[str, Any]: ...

    def problem(self, answer: Answer, key: str) -> str | None:
        """Why the answer cannot be taken."""
        ...

    async def record(self, answer: Answer) -> None:
        """Writes it down where it counts. Raises FailureError when it is refused there."""
        ...

    def value(self, answer: Answer) -> dict[str, JsonValue]: ...


@dataclass
class Approvals:
    answers: dict[str, dict[str, JsonValue]]
    pending: dict[str, Pending] = field(default_factory=dict)
    recording: set[str] = field(default_factory=set)

    async def wait(self, key: str, pending: Pending, left: timedelta | None) -> dict[str, JsonValue] | None:
        """The answer; None when none came in time."""
        self.pending[key] = pending
        try:
            await workflow.wait_condition(lambda: key in self.answers, timeout=left)
        except TimeoutError:
            await workflow.wait_condition(lambda: key not in self.recording)  # it came at the last moment
        finally:
            del self.pending[key]
        return self.answers.pop(key, None)

    def problem(self, answer: Answer) -> str | None:
        """Why the answer cannot be taken."""
        waiting = [key for key in self.pending if key not in self.answers]
        if not waiting:
            return "no approval waits in this run."
        key = answer.task or (waiting[0] if len(waiting) == 1 else None)
        if key not in waiting:
            names = ", ".join(waiting)
            return f"no approval `{key}` waits in this run: {names}." if key else f"say which `task`: {names}."
        assert key is not None
        return self.pending[key].problem(answer, key)

    async def take(self, answer: Answer) -> str:
        """The key of the task that it answers. Only for an answer without a `problem`."""
        key = answer.task or next(key for key in self.pending if key not in self.answers)
        pending = self.pending[key]
        self.recording.add(key)
        try:
            await pending.record(answer)
        except ActivityError as error:
            raise _refused(error) from None
        finally:
            self.recording.discard(key)
        if self.pending.get(key) is pending:  # else nobody waits for it any more
            self.answers[key] = pending.value(answer)
        return key


def _refused(error: ActivityError) -> ApplicationError:
    cause = error.cause
    said = cause.message if isinstance(cause, ApplicationError) else str(error)
    return ApplicationError(said, type="BadInput", non_retryable=True)


@dataclass
class PendingTask:
    """The task `approval`."""

    task: Approval
    who: tuple[str, ...]
    show: Any
    since: datetime
    until: datetime | None
    inbox: str | None  # its id there; None: it is not there

    def as_json(self, key: str) -> dict[str, Any]:
        spec = self.task.approval
        return {
            "kind": "task",
            "task": key,
            "title": self.task.title,
            "who": list(self.who),
            "show": self.show,
            "form": spec.form,
            "since": self.since.isoformat(),
            "until": self.until.isoformat() if self.until else None,
            "default": spec.default,
        }

    def problem(self, answer: Answer, key: str) -> str | None:
        if answer.decision not in ("approve", "reject"):
            return f"`{key}` is to be approved or rejected."
        if answer.arguments is not None:
            return f"`{key}` is a question of the flow and has no arguments: fill in its form."
        if answer.approval not in (None, self.inbox):
            return f"`{key}` waits for another answer by now: look again, with `resprout approvals list`."
        if self.who and not {answer.by, answer.by.removeprefix("user:"), f"user:{answer.by}"} & set(self.who):
            return f"`{key}` is for {', '.join(self.who)} to answer, not for {answer.by}."
        return _misfit(self.task.approval.form, answer) if answer.decision == "approve" else None

    async def record(self, answer: Answer) -> None:
        if self.inbox is not None:
            approved = answer.decision == "approve"
            given = AnswerInput(approval=self.inbox, approved=approved, by=answer.by, comment=answer.comment)
            await record(ANSWER_APPROVAL, given, f"answer to {self.task.title}")

    def value(self, answer: Answer) -> dict[str, JsonValue]:
        approved = answer.decision == "approve"
        return {
            "approved": approved,
            "by": answer.by,
            "comment": answer.comment,
            "form": _filled(self.task.approval.form, answer.form) if approved else answer.form,
        }


async def decision_on(
    approvals: Approvals, task: Approval, key: str, scope: Scope, left: timedelta | None, ask: "AskInbox"
) -> Any:
    """The output of the task `approval`."""
    now, spec = workflow.now(), task.approval
    until = now + left if left is not None else None
    pending = PendingTask(task, _people(task, scope), evaluate(spec.show, scope), now, until, inbox=None)
    if workflow.patched(IN_THE_INBOX):
        pending.inbox = await ask(pending, left)
    answer = await approvals.wait(key, pending, left)
    if answer is not None:
        return answer
    if pending.inbox is not None and workflow.patched(EXPIRY_ON_RECORD):
        expiry = ExpiryInput(approval=pending.inbox, default=spec.default)
        await record(EXPIRE_APPROVAL, expiry, f"nobody answered {task.title}", within=None)
    if spec.default is None:
        raise TaskFailed(TIMEOUT, "nobody answered in time.", task.key)
    approved = spec.default == "approve"
    form = _filled(spec.form, {}) if approved else {}
    return {"approved": approved, "by": None, "comment": "nobody answered in time", "form": form}


AskInbox = Callable[[PendingTask, timedelta | None], Awaitable[str]]


async def put_in_inbox(
    pending: PendingTask, inbox: str, key: str, chain: tuple[str, ...], tenant: str, left: timedelta | None
) -> str:
    given = ApprovalInput(
        approval=inbox,
        task=key,
        title=pending.task.title,
        chain=chain,
        tenant=tenant,
        who=pending.who,
        show=pending.show,
        form=dict(pending.task.approval.form),
        lasts=left,
    )
    await record(ASK_APPROVAL, given, f"ask: {pending.task.title}", within=None)
    return inbox


async def record(activity: str, given: BaseModel, title: str, *, within: timedelta | None = RECORDED_WITHIN) -> None:
    await workflow.execute_activity(
        activity,
        given,
        start_to_close_timeout=RECORDING,
        schedule_to_close_timeout=within,
        retry_policy=RETRY,
        summary=title[:200],
    )


def _people(task: Approval, scope: Scope) -> tuple[str, ...]:
    """A text of `who` is somebody's name; an expression may also give a list of names."""
    given = [evaluate(one, scope) for one in task.approval.who]
    names = [name for one in given for name in (one if isinstance(one, list) else [one])]
    for name in names:
        if not isinstance(name, str) or not name:
            raise TaskFailed(UNFIT, f"`who` gives {name!r}, which is no name.", task.key)
    if given and not names:  # an empty `who` would let everybody answer
        raise TaskFailed(UNFIT, "`who` names nobody.", task.key)
    return tuple(names)


def _filled(form: dict[str, dict[str, JsonValue]], given: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """With the defaults of what was left out."""
    return {**{name: schema["default"] for name, schema in form.items() if "default" in schema}, **given}


def _misfit(form: dict[str, dict[str, JsonValue]], answer: Answer) -> str | None:
    for name in answer.form:
        if name not in form:
            return f"the form has no field `{name}`; it has {', '.join(form) or 'none'}."
    for name, schema in form.items():
        if name not in answer.form:
            if "default" in schema:
                continue
            return f"the form's field `{name}` is missing."
        for _, said in sentences(answer.form[name], schema):
            return f"the form's field `{name}`: {said}."
    return None
