"""The names, inputs and outputs of our activities: all that a workflow may know of them."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from ..actors.brain import Heard
from ..actors.brain.special import Member
from ..actors.envelope import Priority
from .sandbox.spec import SandboxSpec

ASK_AGENT = "agent.ask"
ROUTE_TASK = "task.route"
RUN_SANDBOX = "sandbox.run"
CALL_TOOL = "tool.call"
RESOLVE_EFFECT = "effect.resolve"
ASK_APPROVAL = "approval.ask"
ANSWER_APPROVAL = "approval.answer"
BEGIN_THINKING = "brain.begin"
DECIDE = "brain.decide"
COMPACT = "brain.compact"
END_THINKING = "brain.leave"
EXPIRE_APPROVAL = "approval.expire"
OPEN_BUDGET = "budget.open"


class AskInput(BaseModel):
    model_config = ConfigDict(extra="forbid")

    agent: str = Field(description="the agent's address, kind/key")
    message: str = Field(description="name of the message type")
    body: dict[str, Any] = {}
    timeout_seconds: float = Field(default=60.0, gt=0, le=86_400)
    priority: Priority = "normal"
    tenant: str = "default"


class AskOutput(BaseModel):
    message: str | None = Field(description="name of the reply's type, None when there is no reply")
    body: dict[str, Any] | None


class SandboxInput(BaseModel):
    model_config = ConfigDict(extra="forbid")

    spec: SandboxSpec
    tenant: str = "default"
    task: str | None = Field(default=None, description="key of the task in its run, for who watches the output")


class OutputTail(BaseModel):
    text: str = Field(description="the last characters that were written so far")
    end: int = Field(description="how many characters were written so far")


class SandboxProgress(BaseModel):
    """What a heartbeat of `sandbox.run` carries."""

    task: str | None
    stdout: OutputTail
    stderr: OutputTail


class RouteInput(BaseModel):
    model_config = ConfigDict(extra="forbid")

    capability: str
    avoid: tuple[str, ...] = Field(default=(), description="agents that have failed at it")


class RouteOutput(BaseModel):
    agent: str = Field(description="the agent's address, kind/key")


class ToolInput(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tool: str = Field(description="a name, as in text.count, or one version of it, text.count@1.2")
    arguments: dict[str, JsonValue] = {}
    step: str = Field(description="names this call within all runs: the same for each time that it is tried")
    task: str = Field(default="", description="the task that calls, for who reads of it")
    chain: tuple[str, ...] = Field(description="on whose behalf, whose will it is first")
    tenant: str = "default"
    budget: str | None = Field(default=None, description="the innermost budget of which the call is one")
    aside_over: int | None = Field(
        default=None, ge=0, description="characters of JSON; a longer output is kept aside, and a reference to it given"
    )


class KeptAside(BaseModel):
    """A value that is in the store of large payloads, and not in the history."""

    key: str = Field(description="its content's hash, in hex")
    characters: int
    preview: str


class ToolDone(BaseModel):
    outcome: Literal["done"] = "done"
    tool: str = Field(description="name and version of what was called")
    output: JsonValue
    aside: KeptAside | None = Field(default=None, description="where the output is, when it is kept aside")


class ToolWaits(BaseModel):
    """Somebody must approve it first; then the same call goes on."""

    outcome: Literal["waits"] = "waits"
    tool: str
    approval: str = Field(description="the id of the approval")
    arguments: dict[str, JsonValue]
    reasons: tuple[str, ...]
    who: tuple[str, ...]
    seconds_left: float | None


class ToolInDoubt(BaseModel):
    """Whether it was done is unknown, and it must not be done twice: somebody must find out."""

    outcome: Literal["in-doubt"] = "in-doubt"
    tool: str
    effect: str = Field(description="the key of the effect")
    known: str


class ToolOutput(BaseModel):
    result: Annotated[ToolDone | ToolWaits | ToolInDoubt, Field(discriminator="outcome")]


class ResolveInput(BaseModel):
    """What became of an effect that was in doubt, or that it is to be done again."""

    model_config = ConfigDict(extra="forbid")

    effect: str
    resolution: Literal["done", "failed", "again"]
    by: str
    comment: str = ""
    result: JsonValue = None


class ApprovalInput(BaseModel):
    """A question of a task to people, for the inbox."""

    model_config = ConfigDict(extra="forbid")

    approval: str
    task: str
    title: str
    chain: tuple[str, ...]
    tenant: str = "default"
    who: tuple[str, ...] = ()
    show: JsonValue = None
    form: dict[str, JsonValue] = {}
    lasts: timedelta | None = None


class ExpiryInput(BaseModel):
    """Nobody answered a task's question in time."""

    model_config = ConfigDict(extra="forbid")

    approval: str
    default: Literal["approve", "reject"] | None = Field(description="what the flow says holds then")


class AnswerInput(BaseModel):
    model_config = ConfigDict(extra="forbid")

    approval: str
    approved: bool
    by: str
    comment: str = ""
    arguments: dict[str, JsonValue] | None = Field(
        default=None, description="what is approved instead of what was asked"
    )


class BudgetInput(BaseModel):
    """What a task, with everything inside it, may spend. None: as much as the budgets around it allow."""

    model_config = ConfigDict(extra="forbid")

    budget: str = Field(description="its id: the same however often it is opened")
    parent: str | None = Field(default=None, description="the budget around it, which is spent too")
    tenant: str = "default"
    title: str
    tokens: int | None = None
    nanos: int | None = Field(default=None, description="money, in billionths of a US dollar")
    calls: int | None = None
    until: datetime | None = None


class Thinking(BaseModel):
    """A step of an agent run: whose, in which conversation."""

    model_config = ConfigDict(extra="forbid")

    agent: str = Field(description="the address of the brain, brain/key")
    run: str = Field(description="names the run in all the histories that it is carried over into")
    tenant: str = "default"


class RoleOf(BaseModel):
    """What somebody of a crew will be, whenever it is given work."""

    who: str = Field(description="its name; behind those whose crew it is in")
    role: str | None = None
    variables: dict[str, JsonValue] = {}


class BeginInput(Thinking):
    goal: str
    role: str | None = None
    variables: dict[str, JsonValue] = Field(default={}, description="values of the role's variables")
    system: str = ""
    model: str | None = None
    tools: tuple[str, ...] | None = Field(default=None, description="None: those of the role")
    answer: dict[str, JsonValue] | None = Field(default=None, description="JSON Schema of the answer")
    max_tokens: int | None = None
    temperature: float | None = None
    person: bool = Field(default=False, description="whether it may ask a person")
    crew: tuple[Member, ...] = ()
    crew_roles: tuple[RoleOf, ...] = Field(default=(), description="of the crew and of theirs, to be looked up at once")


class BeginOutput(BaseModel):
    taken_by: str | None = Field(default=None, description="the run that has the conversation")
    tools: dict[str, str] = Field(default={}, description="what each offered name means: name and version")
    model: str = ""
    max_iterations: int | None = Field(default=None, description="what the role has")


class HeardAside(BaseModel):
    """What came of a tool, where it is kept."""

    use: str
    aside: KeptAside


class LeaveInput(Thinking):
    heard: tuple[Heard | HeardAside, ...] = Field(default=(), description="what the brain was not told")
    again: tuple[Heard | HeardAside, ...] = Field(default=(), description="what it was told with the decision `step`")
    step: str = Field(default="", description="the decision that the run did not hear of")


class DecideInput(Thinking):
    step: str = Field(description="names this decision within all runs")
    heard: tuple[Heard | HeardAside, ...] = ()
    budget: str | None = None
    timeout_seconds: float = 900.0
