"""The task `goal`: what the run of its agent is given, and what its answer means for the task."""

from typing import Any

from pydantic import ValidationError

from ...actors.words import sentence
from ..agent_run.run_input import KIND, AgentResult, AgentRunInput, CrewMember
from ..flow import Flow, evaluate
from ..flow.expressions import Scope
from ..flow.model import AgentSpec, Goal
from .failures import UNFINISHED, UNFIT, TaskFailed
from .run_input import RunInput


def agent_run_of(
    task: Goal, flow: Flow, scope: Scope, given: RunInput, chain: tuple[str, ...], budget: str | None
) -> AgentRunInput:
    spec = flow.agents.get(task.agent)
    try:
        return AgentRunInput(
            **(_of_spec(spec, flow, scope) if spec is not None else _of_address(task, scope)),
            goal=_text(evaluate(task.goal, scope)),
            with_=evaluate(task.with_, scope),
            answer=task.answer,
            budget=budget,
            tenant=given.tenant,
            tags=given.tags,
            chain=chain,
        )
    except ValidationError as error:
        raise TaskFailed(UNFIT, f"the agent `{task.agent}` cannot be given this: {sentence(error)}", task.key) from None


def answer_of(result: AgentResult, run: str, task: Goal) -> Any:
    if result.status != "answered":
        said = f"{result.agent} stopped unfinished: {result.note} Go on with `resprout run continue {run}`."
        raise TaskFailed(UNFINISHED, said, task.key)
    return result.answer


def _of_spec(spec: AgentSpec, flow: Flow, scope: Scope) -> dict[str, Any]:
    """An agent whose kind is another than ours thinks with its own code: it is asked, and not given goals."""
    if spec.kind not in (None, KIND):
        raise TaskFailed(UNFIT, f"an agent of kind `{spec.kind}` takes messages (`ask`) and no goals.", "agents")
    words: dict[str, Any] = {
        "agent": evaluate(spec.key, scope) if spec.key is not None else None,
        "person": spec.person,
        "crew": {name: _member(flow.agents[name], scope) for name in spec.crew},
    }
    return {**words, **_thinking(spec, scope)}


def _member(spec: AgentSpec, scope: Scope) -> CrewMember:
    key = evaluate(spec.key, scope) if spec.key is not None else None
    description = spec.labels.get("description", "") or (_text(spec.system or "")[:200])
    return CrewMember(key=key, description=description, **_thinking(spec, scope))


def _thinking(spec: AgentSpec, scope: Scope) -> dict[str, Any]:
    words: dict[str, Any] = {"role": spec.role, "tools": spec.tools}
    for word in ("model", "system"):
        if (said := getattr(spec, word)) is not None:
            words[word] = _text(evaluate(said, scope))
    if spec.max_iterations is not None:
        words["max_iterations"] = spec.max_iterations
    return words


def _of_address(task: Goal, scope: Scope) -> dict[str, Any]:
    address = _text(evaluate(task.agent, scope))
    kind, _, key = address.partition("/")
    if kind != KIND or not key:
        raise TaskFailed(
            UNFIT,
            f"`{address}` takes no goals: declare an agent with a `role` or a `system`, or use {KIND}/KEY.",
            task.key,
        )
    return {"agent": key}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)
