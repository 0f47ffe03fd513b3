"""What starts a run: the frozen flow, its inputs, and what an earlier run has done of it already.

By hand, `{"flow": {…}, "inputs": {…}}` is enough: a flow in JSON, in the words of the file.
"""

from threading import Lock
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from temporalio.exceptions import ApplicationError

from ...actors.words import sentence
from ..flow import Flow, Frozen, check, content_hash
from ..flow.model import Child
from ..flow.shape import every_task
from ..flow.terms import Label, Labels

# Temporal gives a worker two seconds, in which it reads flows of 20,000 tasks, but does not check so many.
MOST_UNCHECKED_TASKS = 5_000

Given = TypeVar("Given", bound=BaseModel)

UNKNOWN_STARTER = "service:temporal"  # a run that was started by hand, by who may use Temporal


class Finished(BaseModel):
    """How a task ended."""

    model_config = ConfigDict(extra="forbid")

    status: str  # completed, skipped or failed
    output: JsonValue = None
    error: dict[str, JsonValue] | None = None
    from_cache: bool = False  # another run has done it

    @property
    def can_be_undone(self) -> bool:
        return self.status == "completed" and not self.from_cache

    def as_seen(self) -> dict[str, Any]:
        """As expressions see it."""
        return {"status": self.status, "output": self.output, "error": self.error}


class Carried(BaseModel):
    """What a run takes over from the one before it."""

    model_config = ConfigDict(extra="forbid")

    finished: dict[str, Finished] = {}
    begun: dict[str, float] = {}  # when waits began, in seconds since 1970
    attempts: dict[str, int] = {}  # of tasks that are tried again
    signals: dict[str, list[JsonValue]] = {}  # that came before somebody waited for them
    answers: dict[str, dict[str, JsonValue]] = {}  # to approvals, not taken up yet
    tools: dict[str, str] = {}  # which version each reference to a tool has meant
    paused: bool = False
    leaving: bool = False  # it was cancelled, and cleans up
    started_at: str | None = None


class RunInput(BaseModel):
    model_config = ConfigDict(extra="forbid")

    flow: dict[str, JsonValue] = Field(description="the flow as JSON, in the words of a flow file")
    children: dict[str, Frozen] = Field(default={}, description="its child flows, by the paths that its tasks give")
    hash: str | None = Field(default=None, description="of the flow and its children, when it was checked before")
    inputs: dict[str, JsonValue] = {}
    tenant: Label = "default"
    tags: Labels = ()
    chain: tuple[str, ...] = Field(default=(), description="on whose behalf it runs, whose will it is first")
    budget: str | None = Field(default=None, description="the budget of the run that started it: it spends that, too")
    direct: bool = Field(default=False, description="a call that somebody makes himself: the run is nobody of its own")
    carried: Carried | None = None

    @property
    def name(self) -> str:
        """Of the flow, which may not have been checked yet."""
        header = self.flow.get("flow")
        return str(header.get("name")) if isinstance(header, dict) else "flow"


def nothing(kind: type[Given]) -> Given:
    """What a run has that was started by hand without an input: no word at all, so that it can say what is missing."""
    return kind.model_construct()


def refuse_nothing(given: BaseModel) -> None:
    if given.model_fields_set:
        return
    try:
        type(given).model_validate({})
    except ValidationError as error:
        raise bad_input(f"the input does not fit {error.title}: {sentence(error, type(given))}") from None


NO_INPUT = nothing(RunInput)


def child_id(run: str, key: str, attempt: int) -> str:
    """Of the run of a child flow, by the key of its task."""
    return f"{run}/{key}" + (f"/{attempt}" if attempt > 1 else "")


def flow_of(given: RunInput) -> Flow:
    """The flow, checked; raises ApplicationError with every problem in words."""
    known = content_hash(
        {"document": given.flow, "children": {name: child.hash for name, child in given.children.items()}}
    )
    flow = _flow_of_hash(known) if given.hash == known else None
    if flow is None:
        flow = Flow.model_validate(given.flow) if given.hash == known else _checked(given)
        _remember(known, flow)
    for name in (task.flow for task in flow.every_task() if isinstance(task, Child)):
        if name not in given.children:
            raise bad_input(f"the child flow `{name}` did not come with the run: start it by `resprout run`.")
    refuse_unfinished_words(flow)
    return flow


def bad_input(text: str) -> ApplicationError:
    return ApplicationError(text, type="BadInput", non_retryable=True)


def refuse_unfinished_words(flow: Flow) -> None:
    for task in flow.every_task():
        if task.save is not None:
            raise bad_input(
                f"the task `{task.key}` says `save`, which this version of Resprout can check but not run yet."
            )


def _checked(given: RunInput) -> Flow:
    tasks = sum(1 for _ in every_task(given.flow))
    if tasks > MOST_UNCHECKED_TASKS:
        raise bad_input(
            f"the flow has {tasks:,} tasks and was not checked before, and a run checks {MOST_UNCHECKED_TASKS:,} at "
            "most: start it by `resprout run`, or with what `resprout run --print-input` prints."
        )
    reading = check(given.flow, "flow")
    if reading.flow is None:
        problems = "; ".join(f"{problem.path}: {problem.message} ({problem.fix})" for problem in reading.errors[:5])
        number = len(reading.errors)
        raise bad_input(f"the flow has {number} mistake{'' if number == 1 else 's'}: {problems}")
    return reading.flow


# Flows by hash: a worker runs the same ones again and again, and replays them. They never change.
_flows: dict[str, Flow] = {}
_remembering = Lock()  # runs begin on several threads


def _flow_of_hash(known: str) -> Flow | None:
    return _flows.get(known)


def _remember(known: str, flow: Flow) -> None:
    with _remembering:
        if len(_flows) >= 256:
            _flows.pop(next(iter(_flows)))
        _flows[known] = flow
