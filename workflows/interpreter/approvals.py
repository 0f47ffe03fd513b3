"""Decisions of people that a run waits for, and the answers that come."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue
from temporalio import workflow

from ..flow import evaluate
from ..flow.expressions import Scope
from ..flow.model import Approval
from ..flow.schemas import sentences
from .failures import TIMEOUT, UNFIT, TaskFailed


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    task: str | None = None  # the key of the task; may be left out while only one approval waits
    decision: Literal["approve", "reject"]
    by: str
    comment: str = ""
    form: dict[str, JsonValue] = {}


@dataclass
class Pending:
    task: Approval
    who: tuple[str, ...]
    show: Any
    since: datetime
    until: datetime | None

    def as_json(self, key: str) -> dict[str, Any]:
        spec = self.task.approval
        return {
            "task": key,
            "title": self.task.title,
            "who": list(self.who),
            "show": self.show,
            "form": spec.form,
            "since": self.since.isoformat(),
            "until": self.until.isoformat() if self.until else None,
            "default": spec.default,
        }


@dataclass
class Approvals:
    answers: dict[str, dict[str, JsonValue]]
    pending: dict[str, Pending] = field(default_factory=dict)

    async def wait(self, task: Approval, key: str, scope: Scope, left: timedelta | None) -> Any:
        now, spec = workflow.now(), task.approval
        until = now + left if left is not None else None
        self.pending[key] = Pending(task, _people(task, scope), evaluate(spec.show, scope), now, until)
        try:
            await workflow.wait_condition(lambda: key in self.answers, timeout=left)
            return self.answers.pop(key)
        except TimeoutError:
            if spec.default is None:
                raise TaskFailed(TIMEOUT, "nobody answered in time.", task.key) from None
            approved = spec.default == "approve"
            form = _filled(spec.form, {}) if approved else {}
            return {"approved": approved, "by": None, "comment": "nobody answered in time", "form": form}
        finally:
            del self.pending[key]

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
        pending = self.pending[key]
        if pending.who and answer.by not in pending.who:
            return f"`{key}` is for {', '.join(pending.who)} to answer, not for {answer.by}."
        return _misfit(pending.task.approval.form, answer) if answer.decision == "approve" else None

    def take(self, answer: Answer) -> str:
        """The key of the task that it answers. Only for an answer without a `problem`."""
        key = answer.task or next(key for key in self.pending if key not in self.answers)
        approved = answer.decision == "approve"
        self.answers[key] = {
            "approved": approved,
            "by": answer.by,
            "comment": answer.comment,
            "form": _filled(self.pending[key].task.approval.form, answer.form) if approved else answer.form,
        }
        return key


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
