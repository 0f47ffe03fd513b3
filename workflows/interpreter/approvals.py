"""Decisions of people that a run waits for, and the answers that come."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue
from temporalio import workflow

from ..flow.model import Approval
from ..flow.schemas import sentences
from .failures import TIMEOUT, TaskFailed


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
    show: Any
    since: datetime
    until: datetime | None

    def as_json(self, key: str) -> dict[str, Any]:
        spec = self.task.approval
        return {
            "task": key,
            "title": self.task.title,
            "who": list(spec.who),
            "show": self.show,
            "form": spec.form,
            "since": self.since.isoformat(),
            "until": self.until.isoformat() if self.until else None,
            "default": spec.default,
        }


@dataclass
class Approvals:
    answers: dict[str, dict[str, JsonValue]]
    changed: Callable[[], None]
    pending: dict[str, Pending] = field(default_factory=dict)

    async def wait(self, task: Approval, key: str, show: Any, left: timedelta | None) -> Any:
        now = workflow.now()
        self.pending[key] = Pending(task, show, now, now + left if left is not None else None)
        self.changed()
        try:
            await workflow.wait_condition(lambda: key in self.answers, timeout=left)
            return self.answers.pop(key)
        except TimeoutError:
            if task.approval.default is None:
                raise TaskFailed(TIMEOUT, "nobody answered in time.", task.key) from None
            approved = task.approval.default == "approve"
            return {"approved": approved, "by": None, "comment": "nobody answered in time", "form": {}}
        finally:
            del self.pending[key]
            self.changed()

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
        spec = self.pending[key].task.approval
        if spec.who and answer.by not in spec.who:
            return f"`{key}` is for {', '.join(spec.who)} to answer, not for {answer.by}."
        return _misfit(spec.form, answer) if answer.decision == "approve" else None

    def take(self, answer: Answer) -> str:
        """The key of the task that it answers. Only for an answer without a `problem`."""
        key = answer.task or next(key for key in self.pending if key not in self.answers)
        self.answers[key] = {
            "approved": answer.decision == "approve",
            "by": answer.by,
            "comment": answer.comment,
            "form": answer.form,
        }
        return key


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
