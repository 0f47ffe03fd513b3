"""The words that may be given to an agent from Python, for editors and type checkers: those of `AgentRunInput` that are
for people to say. What they mean stands there and in docs/agent-runs.md; what does not fit is refused by that.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from ..workflows.agent_run.run_input import CrewMember
    from ..workflows.flow.handling import Budget


class AgentWords(TypedDict, total=False):
    with_: Mapping[str, Any]
    agent: str | None  # the key of a conversation
    role: str | None
    variables: Mapping[str, Any]
    system: str
    model: str | None
    tools: Sequence[str] | None  # None: those of its role
    answer: Mapping[str, Any] | None  # a JSON Schema
    max_iterations: int | None
    max_tokens: int | None
    temperature: float | None
    timeout_seconds: float
    person: bool
    crew: "Mapping[str, CrewMember | Mapping[str, Any]]"
    limits: "Budget | Mapping[str, Any] | None"
    budget: str | None  # the id of one that there is
    tags: Sequence[str]
    tenant: str
