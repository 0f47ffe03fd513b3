"""What starts the run of an agent, what it gives, and what it takes over from the history before.

By hand, `{"goal": "…"}` is enough.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from ...activities.contracts import HeardAside, RoleOf
from ...actors.address import LONGEST_KEY, AgentAddress
from ...actors.brain import Heard
from ...actors.errors import BadAddress
from ...actors.models import Usage
from ..flow.handling import Budget
from ..flow.schemas import check_schema
from ..flow.terms import THINKS, Kind, Label, Labels

KIND = THINKS
# A worker that is killed in a workflow's task has it for so long. What such a task may have to do again is the history
# since the run was last carried over: of so many events, a small part of that time.
TASK_TIMEOUT = timedelta(seconds=3)
MOST_EVENTS = 1_000

MAX_ITERATIONS = 30


class CrewMember(BaseModel):
    """Another agent that this one may give work to. It may do nothing that this one may not."""

    model_config = ConfigDict(extra="forbid")

    role: Kind | None = None
    variables: dict[str, JsonValue] = {}
    key: str | None = Field(default=None, description="its conversation; one of its own for each time, if not given")
    description: str = Field(default="", description="what it is good for, as the model is told")
    system: str = ""
    model: str | None = None
    tools: tuple[str, ...] | None = Field(default=None, description="what it may use; those of its role, if not given")
    max_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_iterations: int | None = Field(default=None, ge=1, le=10_000)
    person: bool = Field(default=False, description="whether it may ask a person")
    crew: "dict[str, CrewMember]" = Field(default={}, description="whom it may give work to in turn")


def roles_of(crew: Mapping[str, CrewMember], within: str = "") -> Iterator[RoleOf]:
    """Of everybody to whom work may come."""
    for name, member in crew.items():
        if member.role is not None or member.variables:
            yield RoleOf(who=within + name, role=member.role, variables=member.variables)
        yield from roles_of(member.crew, f"{within}{name}.")


class CarriedOn(BaseModel):
    """From the history before."""

    model_config = ConfigDict(extra="forbid")

    heard: tuple[Heard | HeardAside, ...] = ()
    iterations: int = 0
    tool_calls: int = 0
    compactions: int = 0
    repairs: int = 0  # since something could be used
    usage: Usage = Usage()
    cost_nanos: int | None = 0
    tools: dict[str, str] = {}  # what each offered name means
    max_iterations: int = MAX_ITERATIONS
    model: str = ""
    steered: tuple[str, ...] = ()
    paused: bool = False
    begun: bool = Field(default=True, description="whether it had the conversation")
    until: str | None = Field(default=None, description="when its own time is over")
    started_at: str
    agent: str | None = Field(default=None, description="whose conversation it has")


class AgentRunInput(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    goal: str = Field(default="", description="what is to be reached; empty: to go on with what was not finished")
    with_: dict[str, JsonValue] = Field(default={}, alias="with", description="facts that are given with the goal")
    agent: str | None = Field(default=None, description="key of the conversation; one of the run's own, if not given")
    continues: str | None = Field(
        default=None, description="the run whose own conversation it goes on with, as that one's state names it"
    )
    role: Kind | None = Field(default=None, description="name of a role, as in `researcher`")
    variables: dict[str, JsonValue] = Field(default={}, description="values of the role's variables")
    system: str = Field(default="", description="what it is told of itself, behind what its role says")
    model: str | None = Field(default=None, description="as in `local` or `openai/gpt-5`")
    tools: tuple[str, ...] | None = Field(
        default=None,
        description="what it may use, as in text.count, text.* or hash.digest@1; those of its role, if not given",
    )
    answer: dict[str, JsonValue] | None = Field(default=None, description="JSON Schema of the answer")
    max_iterations: int | None = Field(
        default=None, ge=1, le=10_000, description="decisions, before it stops and says so; else its role's, or 30"
    )
    max_tokens: int | None = Field(default=None, ge=1, description="of one thing that the model says")
    temperature: float | None = Field(default=None, ge=0, le=2)
    timeout_seconds: float = Field(default=900.0, gt=0, le=3_600, description="of one decision")
    person: bool = Field(default=False, description="whether it may ask a person")
    crew: dict[str, CrewMember] = Field(default={}, description="agents that it may give work to, by name")
    budget: str | None = Field(default=None, description="id of the budget that it spends")
    limits: Budget | None = Field(default=None, description="what it may spend at most: tokens, cost, calls, time")
    tenant: Label = "default"
    tags: Labels = ()
    chain: tuple[str, ...] = Field(default=(), description="on whose behalf it runs, whose will it is first")
    within: tuple[str, ...] = Field(default=(), description="the conversations whose runs wait for this one")
    carried: CarriedOn | None = None

    @field_validator("agent")
    @classmethod
    def _is_a_key(cls, agent: str | None) -> str | None:
        if agent is None:
            return None
        try:
            return AgentAddress.parse(f"{KIND}/{agent.removeprefix(f'{KIND}/')}").key
        except BadAddress as error:  # else the input cannot be read at all, and the run would try for ever
            raise ValueError(str(error)) from None

    @field_validator("budget", mode="before")
    @classmethod
    def _is_an_id(cls, budget: Any) -> Any:
        if isinstance(budget, dict | Budget):
            raise ValueError("it is the id of a budget that there is: write what it may spend at most in `limits`")
        return budget

    @field_validator("answer")
    @classmethod
    def _is_a_schema(cls, answer: dict[str, Any] | None) -> dict[str, Any] | None:
        for path, said, remedy in check_schema(answer) if answer is not None else ():
            raise ValueError(f"{'.'.join(map(str, path))}: {said}: {remedy}")
        return answer

    @model_validator(mode="after")
    def _has_something_to_do(self) -> "AgentRunInput":
        if not self.goal and self.agent is None and self.continues is None:
            raise ValueError("give a goal; or the key of an agent that has not finished, to go on")
        return self

    @property
    def principal(self) -> str:
        """Who acts: a role, and which of them."""
        return f"{self.role or KIND}/{self.agent or 'run'}"


def conversation_of(given: AgentRunInput, run: str) -> str:
    """The address of its brain. The key is the role's own, by name; or one for this run alone, to which no later run
    of the same id comes by accident."""
    return address_of(given.role, given.agent or _own_key(given.continues or run))


def _own_key(run: str) -> str:
    """Of `ID@FIRST`, with what tells it from other runs of this id. Those before this was so are `ID@`, or `ID`."""
    id, _, first = run.rpartition("@")  # noqa: A001
    return f"{id}-{first[-8:]}" if id and first else id or first  # the end of it: the beginning is the time


def address_of(role: str | None, key: str) -> str:
    if role is not None:
        key = f"{role}.{key}"
    if len(key) > LONGEST_KEY:
        key = f"{key[:180]}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    return f"{KIND}/{key}"


def own_conversation(agent: str) -> str:
    return f"{agent} is the conversation of a run that would wait for this one: give it a key of its own, or none."


class AgentResult(BaseModel):
    status: Literal["answered", "yielded"] = Field(
        description="`yielded`: it stopped at its last iteration or within its answer, and can be continued"
    )
    answer: JsonValue = Field(default=None, description="a text, or a value in the form that was asked for")
    agent: str = Field(description="whose conversation it is, brain/key")
    note: str = ""
    model: str = ""
    iterations: int = 0
    tool_calls: int = 0
    compactions: int = 0
    usage: Usage = Usage()
    cost_nanos: int | None = Field(default=0, description="in billionths of a US dollar; null: a price is not known")
