"""The kinds of tasks, one class for each word: a mapping of the file is what its word says (`ask`, `loop`, …)."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Discriminator, Field, JsonValue, StringConstraints, Tag

from ...activities.sandbox.spec import SandboxSpec
from ...actors.duration import Duration
from ...actors.words import Words
from .handling import Budget, Cache, Retry, Save
from .terms import Arguments, Count, Expression, InputName, Name, Steps, TaskId, Text


class TaskBase(Words):
    """What every task may say."""

    word: ClassVar[str]
    """The word that makes a mapping this kind of task."""

    id: TaskId | None = None
    """The name by which other tasks refer to this one; unique in the file. Default: its word and a number."""
    name: Text | None = None
    """Shown to people instead of the id."""
    needs: tuple[TaskId, ...] | None = None
    """The tasks of the same list that must end first. Default: the task before this one (none in `parallel`)."""
    if_: Expression | None = Field(default=None, alias="if")
    """The task is skipped, with output null, unless this is true."""
    timeout: Duration | None = None
    """The task fails when it takes longer than this, all attempts included."""
    retry: Retry | None = None
    """How often and how soon the task is tried again when it fails."""
    cache: Cache | None = None
    """Take the output of an earlier task with the same key instead of running."""
    budget: Budget | None = None
    """What the task may use at most."""
    save: Save | None = None
    """Keep the output in memory."""
    compensate: "tuple[Task, ...] | None" = Field(default=None, min_length=1)
    """Undoes this task: runs, last task first, when a later task of the flow fails."""

    @property
    def key(self) -> str:
        """The id of a task that was read or checked; those always have one."""
        assert self.id is not None
        return self.id

    @property
    def title(self) -> str:
        return self.name or self.key

    def lists(self) -> "Iterator[tuple[Steps, tuple[Task, ...]]]":
        """The lists of tasks inside this one, each with the words that lead to it, as in `("loop", "do")`."""
        if self.compensate is not None:
            yield ("compensate",), self.compensate


class Ask(TaskBase):
    """Sends an agent a typed message and waits for the reply, which is the output."""

    word: ClassVar[str] = "ask"

    agent: Text
    """A name of `agents`, or the address of an agent, `kind/key`; may hold an expression."""
    ask: Text
    """The name of the message type, as in `greeter.greet`."""
    with_: Arguments = Field(default={}, alias="with")
    """The fields of the message."""


class Goal(TaskBase):
    """Gives an agent a goal to reach with its model and tools; its answer is the output."""

    word: ClassVar[str] = "goal"

    agent: Text
    """A name of `agents`, or the address of an agent, `brain/key`; or an expression that gives one of these, the name
    of a role, or an agent written out in the words of `agents`."""
    goal: Text
    """What to reach, in plain words; may hold expressions."""
    with_: Arguments = Field(default={}, alias="with")
    """Facts that the agent is given with the goal."""
    answer: dict[str, JsonValue] | None = None
    """JSON Schema of the answer; the output is then a value of it. Default: the answer is a text."""


class Tool(TaskBase):
    """Calls a tool; its result is the output."""

    word: ClassVar[str] = "tool"

    tool: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]*(@[0-9A-Za-z.*^~<>=-]+)?$", max_length=200)]
    """The name of the tool, as in `text.count`, or one version of it, `text.count@1.2`."""
    with_: Arguments = Field(default={}, alias="with")
    """The arguments."""


class Sandbox(TaskBase):
    """Runs untrusted code, shut away from everything it was not given."""

    word: ClassVar[str] = "sandbox"

    sandbox: SandboxSpec
    """What to run and within which limits."""


class Child(TaskBase):
    """Runs another flow; its output is the output."""

    word: ClassVar[str] = "flow"

    flow: Text
    """The path of the other file, relative to this one; or a team that ships, as in `team/debate`."""
    with_: Arguments = Field(default={}, alias="with")
    """The inputs of the other flow."""


class Sequential(TaskBase):
    """Runs tasks one after the other; the output is that of the last one."""

    word: ClassVar[str] = "sequential"

    sequential: "Tasks"
    """The tasks, in order."""

    def lists(self) -> "Iterator[tuple[Steps, tuple[Task, ...]]]":
        yield ("sequential",), self.sequential
        yield from super().lists()


class ParallelSpec(Words):
    tasks: "Tasks"
    """The tasks that run at the same time."""
    max: Count | None = None
    """How many of them run at once. Default: all."""
    wait: Literal["all", "any"] | Count = "all"
    """How many must succeed before the task ends; the others are then cancelled."""
    on_error: Literal["fail", "collect"] = "fail"
    """`fail`: the first failure cancels the others and fails the task. `collect`: failures are outputs."""


class Parallel(TaskBase):
    """Runs tasks at the same time; the output maps each id to its task's output."""

    word: ClassVar[str] = "parallel"

    parallel: Annotated[ParallelSpec, BeforeValidator(lambda v: {"tasks": v} if isinstance(v, list | tuple) else v)]
    """The tasks; or a mapping with `tasks`, `max`, `wait` and `on_error`."""

    def lists(self) -> "Iterator[tuple[Steps, tuple[Task, ...]]]":
        yield ("parallel", "tasks"), self.parallel.tasks
        yield from super().lists()


class Branch(Words):
    if_: Expression = Field(alias="if")
    """Whether this branch is taken."""
    then: "Tasks"
    """What runs then."""


class ConditionSpec(Words):
    if_: Expression | None = Field(default=None, alias="if")
    """Whether `then` runs."""
    then: "Tasks | None" = None
    """What runs when `if` is true."""
    elif_: tuple[Branch, ...] = Field(default=(), alias="elif")
    """Further branches; the first whose `if` is true runs."""
    else_: "Tasks | None" = Field(default=None, alias="else")
    """What runs when nothing else does."""
    switch: Expression | None = None
    """A value that chooses one of `cases`; instead of `if`."""
    cases: "dict[str, Tasks]" = Field(default={})
    """What runs for each value of `switch`."""
    default: "Tasks | None" = None
    """What runs when no case has the value."""


class Condition(TaskBase):
    """Runs one of several branches; the output is that of the branch taken, or null."""

    word: ClassVar[str] = "condition"

    condition: ConditionSpec
    """`if`, `then`, `elif`, `else`; or `switch`, `cases`, `default`."""

    def lists(self) -> "Iterator[tuple[Steps, tuple[Task, ...]]]":
        spec = self.condition
        if spec.then is not None:
            yield ("condition", "then"), spec.then
        for index, branch in enumerate(spec.elif_):
            yield ("condition", "elif", index, "then"), branch.then
        if spec.else_ is not None:
            yield ("condition", "else"), spec.else_
        for value, tasks in spec.cases.items():
            yield ("condition", "cases", value), tasks
        if spec.default is not None:
            yield ("condition", "default"), spec.default
        yield from super().lists()


class LoopSpec(Words):
    over: Expression | tuple[JsonValue, ...] | None = None
    """A list, or an expression that gives one: the tasks run once for each item."""
    as_: InputName = Field(default="item", alias="as")
    """The name of the item: `loop.item` unless said otherwise."""
    while_: Expression | None = Field(default=None, alias="while")
    """The tasks run again as long as this is true, looked at before each round."""
    until: Expression | None = None
    """The tasks run again until this is true, looked at after each round."""
    max: Count | None = None
    """The most rounds; a loop that would go further fails. Required, except over a literal list."""
    max_parallel: Count = 1
    """How many rounds run at once; only with `over`."""
    do: "Tasks"
    """What runs in each round."""


class Loop(TaskBase):
    """Runs tasks again and again; `over`: the list of the rounds' outputs, otherwise the last round's output."""

    word: ClassVar[str] = "loop"

    loop: LoopSpec
    """`over`, `while` or `until`, with `max` and `do`."""

    def lists(self) -> "Iterator[tuple[Steps, tuple[Task, ...]]]":
        yield ("loop", "do"), self.loop.do
        yield from super().lists()


class ApprovalSpec(Words):
    who: tuple[Text, ...] = ()
    """Who may answer: people or groups. Default: everybody who may answer approvals."""
    show: JsonValue = None
    """What the person sees before deciding."""
    form: dict[InputName, dict[str, JsonValue]] = Field(default={})
    """Fields to fill in with the answer: name → JSON Schema."""
    timeout: Duration | None = None
    """How long to wait for the answer. Default: for ever."""
    default: Literal["approve", "reject"] | None = None
    """The answer when none came in time. Default: the task fails."""


class Approval(TaskBase):
    """Waits for a person's decision; the output is {approved, by, comment, form}."""

    word: ClassVar[str] = "approval"

    approval: ApprovalSpec
    """Who is asked, what is shown, how long to wait."""


class WaitSpec(Words):
    duration: Duration | Expression | None = None
    """How long to wait; a length of time or an expression that gives one."""
    until: str | None = None
    """The moment to wait for, as in `2026-12-31T23:00:00Z`, or an expression that gives one."""
    signal: Name | None = None
    """The name of the signal to wait for; what it brings is the output."""
    timeout: Duration | None = None
    """How long to wait for the signal. Default: for ever."""


class Wait(TaskBase):
    """Waits for a length of time, a moment or a signal."""

    word: ClassVar[str] = "wait"

    wait: WaitSpec
    """One of `duration`, `until` and `signal`."""


class EmitSpec(Words):
    topic: Text
    """The topic to publish to; may hold an expression."""
    data: JsonValue = None
    """What is published."""


class Emit(TaskBase):
    """Publishes to a topic; who subscribed gets it, for sure."""

    word: ClassVar[str] = "emit"

    emit: EmitSpec
    """The topic and the data."""


class Try(TaskBase):
    """Runs tasks; when one fails, `catch` runs in their place; `finally` runs in any case."""

    word: ClassVar[str] = "try"

    try_: "Tasks" = Field(alias="try")
    """What may fail."""
    catch: "Tasks | None" = None
    """What runs after a failure, with `error` as {type, message, task}."""
    finally_: "Tasks | None" = Field(default=None, alias="finally")
    """What runs at the end in any case, also after a failure or when the run is cancelled."""

    def lists(self) -> "Iterator[tuple[Steps, tuple[Task, ...]]]":
        yield ("try",), self.try_
        if self.catch is not None:
            yield ("catch",), self.catch
        if self.finally_ is not None:
            yield ("finally",), self.finally_
        yield from super().lists()


KINDS: tuple[type[TaskBase], ...] = (
    Ask,
    Goal,
    Tool,
    Sandbox,
    Child,
    Sequential,
    Parallel,
    Condition,
    Loop,
    Approval,
    Wait,
    Emit,
    Try,
)
TASK_WORDS = {kind.word: kind for kind in KINDS}


def task_word(task: Any) -> str | None:
    """The word that says which kind of task a mapping or an object is."""
    if isinstance(task, TaskBase):
        return task.word
    return next((word for word in task if word in TASK_WORDS), None) if isinstance(task, dict) else None


Task = Annotated[
    Annotated[Ask, Tag("ask")]
    | Annotated[Goal, Tag("goal")]
    | Annotated[Tool, Tag("tool")]
    | Annotated[Sandbox, Tag("sandbox")]
    | Annotated[Child, Tag("flow")]
    | Annotated[Sequential, Tag("sequential")]
    | Annotated[Parallel, Tag("parallel")]
    | Annotated[Condition, Tag("condition")]
    | Annotated[Loop, Tag("loop")]
    | Annotated[Approval, Tag("approval")]
    | Annotated[Wait, Tag("wait")]
    | Annotated[Emit, Tag("emit")]
    | Annotated[Try, Tag("try")],
    Discriminator(task_word),
]
Tasks = Annotated[tuple[Task, ...], Field(min_length=1, max_length=20_000)]
