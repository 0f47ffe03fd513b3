"""What a flow file says, as typed objects. A flow in Python is these same objects built in code.

The classes of tasks are in `tasks`. The fields carry the words of the YAML file (those that Python reserves end in
`_`), nested as in the file, so that one description serves the reader, the JSON Schema, the completion of editors and
the documentation. The models check shapes; what needs the whole file (names, references, cycles) is in `checking`.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SerializerFunctionWrapHandler, model_serializer

from ...activities.sandbox.spec import SandboxLimits, SandboxSpec
from ...actors.words import Words
from .handling import Budget, Cache, Retry, Save
from .tasks import (
    TASK_WORDS,
    Approval,
    ApprovalSpec,
    Ask,
    Branch,
    Child,
    Condition,
    ConditionSpec,
    Emit,
    EmitSpec,
    Goal,
    Loop,
    LoopSpec,
    Parallel,
    ParallelSpec,
    Sandbox,
    Sequential,
    Task,
    TaskBase,
    Tasks,
    Tool,
    Try,
    Wait,
    WaitSpec,
)
from .terms import Count, InputName, Kind, Label, Labels, Name, Text

__all__ = [
    "TASK_WORDS",
    "AgentSpec",
    "Approval",
    "ApprovalSpec",
    "Ask",
    "Branch",
    "Budget",
    "Cache",
    "Child",
    "Condition",
    "ConditionSpec",
    "Emit",
    "EmitSpec",
    "Flow",
    "Goal",
    "Header",
    "Input",
    "Loop",
    "LoopSpec",
    "Parallel",
    "ParallelSpec",
    "Retry",
    "Sandbox",
    "SandboxLimits",
    "SandboxSpec",
    "Save",
    "Sequential",
    "Task",
    "TaskBase",
    "Tasks",
    "Tool",
    "Try",
    "Wait",
    "WaitSpec",
]


class Input(BaseModel):
    """The JSON Schema of one input's value, with `default`; without a default the input is required."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    type: str | tuple[str, ...] | None = None
    """The type of the value: string, integer, number, boolean, array or object; or a list of these."""
    description: str | None = None
    """What the input is for, shown to people."""
    default: JsonValue = None
    """The value when none is given. Without it the input is required."""
    secret: bool = False
    """Only a reference `secret://…` is accepted; the value itself never enters the run."""

    @property
    def required(self) -> bool:
        return "default" not in self.model_fields_set

    @property
    def value_schema(self) -> dict[str, Any]:
        """The JSON Schema that a value must fit."""
        if self.secret:
            return {"type": "string", "pattern": "^secret://.+"}
        return self.model_dump(mode="json", exclude={"default", "secret"}, exclude_unset=True)

    @model_serializer(mode="wrap")
    def _keep_a_null_default(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        return written if self.required else {**written, "default": self.default}


class AgentSpec(Words):
    """An agent of the flow: what it is (`kind` or `role`) and which one (`key`)."""

    kind: Kind | None = None
    """The agent class, as in `greeter`."""
    role: Kind | None = None
    """A role, as in `researcher`; instead of `kind`."""
    variables: dict[InputName, JsonValue] = Field(default={})
    """Values of the role's variables, as in `{tone: dry}`; may hold expressions."""
    key: Text | None = None
    """Which agent of that kind; may hold an expression. Default: the name of this entry; for a goal, a conversation
    of its own for each task."""
    system: Text | None = None
    """For goals: what the agent is told of itself, behind what its role says."""
    model: Text | None = None
    """For goals: the language model, as in `local` or `openai/gpt-5`."""
    tools: tuple[Text, ...] | None = None
    """For goals: the tools that the agent may use, as in `text.count`, `text.*` or `hash.digest@1`; `[]` for none.
    Default: those of its role."""
    person: bool = False
    """For goals: whether the agent may ask a person, who answers in the inbox of approvals."""
    crew: tuple[InputName, ...] = ()
    """For goals: other agents of this flow that it may give work to, or hand its goal over to."""
    max_tokens: Count | None = None
    """For goals: how much the agent may say at once, in tokens. Default: what its role has."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """For goals: how freely the model chooses its words, from 0 to 2. Default: what its role has."""
    max_iterations: Count | None = None
    """For goals: how often the agent may decide what is next, before it stops unfinished. Default: what its
    role has, or 30."""
    labels: dict[str, str] = Field(default={})
    """Labels shown in lists and metrics."""


class Header(Words):
    """Who the flow is."""

    name: Name
    """The name of the flow, as in `research-crew`."""
    version: Label | None = None
    """Its version, a text, as in `"1.2"`."""
    description: str | None = None
    """What it does, shown to people."""
    tags: Labels = ()
    """Labels by which runs of it can be found."""


class Flow(Words):
    """A flow: its name, what goes in and comes out, the agents, and the tasks."""

    flow: Header
    """Name, version, description and tags."""
    inputs: dict[InputName, Input] = Field(default={})
    """What a run is given: name → JSON Schema of the value, with `default`."""
    outputs: dict[InputName, JsonValue] | None = None
    """What a run gives: name → value or expression. Default: the output of the last task."""
    env: dict[InputName, str | int | float | bool] = Field(default={})
    """Names for values used in many places; expressions over `inputs` are allowed."""
    agents: dict[InputName, AgentSpec] = Field(default={})
    """The agents that the tasks speak to."""
    tasks: Tasks
    """What is done, each task after the one before it."""

    @classmethod
    def named(cls, name: str, *, tasks: "Sequence[Task]", **words: Any) -> "Flow":
        """A flow built in Python; the other words are those of the file (`inputs`, `agents`, `outputs`, …)."""
        header = {word: words.pop(word) for word in Header.model_fields if word in words}
        return cls(flow=Header(name=name, **header), tasks=tuple(tasks), **words)

    @property
    def name(self) -> str:
        return self.flow.name

    def every_task(self) -> "Iterator[Task]":
        """Every task of the file, also the nested ones, in the order of the file."""
        waiting: list[Task] = list(reversed(self.tasks))
        while waiting:
            task = waiting.pop()
            yield task
            inside = [inner for _, tasks in task.lists() for inner in tasks]
            waiting.extend(reversed(inside))


# The others that hold tasks are completed when they are first used alone: each costs 15 ms.
Flow.model_rebuild()
