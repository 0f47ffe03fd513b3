"""The task `goal`: whom it is given to, what the run of that agent is given, and what its answer means for the task."""

from typing import Any

from pydantic import ValidationError

from ...actors.words import sentence
from ..agent_run.run_input import KIND, AgentResult, AgentRunInput, CrewMember
from ..flow import Flow, evaluate
from ..flow.expressions import Scope
from ..flow.model import AgentSpec, Goal
from ..flow.values import kind_of
from .failures import UNFINISHED, UNFIT, TaskFailed
from .run_input import RunInput

_THINKING = (
    "model",
    "system",
    "tools",
    "max_tokens",
    "temperature",
    "max_iterations",
)  # where the role may say otherwise


def agent_run_of(
    task: Goal, flow: Flow, scope: Scope, given: RunInput, chain: tuple[str, ...], budget: str | None
) -> AgentRunInput:
    try:
        spec = _agent_of(task, flow, scope)
        return AgentRunInput(
            **_thinking(spec),
            agent=spec.key,
            person=spec.person,
            crew=_crew(spec, flow, scope, ()),
            goal=_text(evaluate(task.goal, scope)),
            with_=evaluate(task.with_, scope),
            answer=task.answer,
            budget=budget,
            tenant=given.tenant,
            tags=given.tags,
            chain=chain,
        )
    except ValidationError as error:
        said = sentence(error, AgentRunInput, CrewMember, AgentSpec)
        raise TaskFailed(UNFIT, f"the agent `{task.agent}` cannot be given this: {said}", task.key) from None


def answer_of(result: AgentResult, run: str, task: Goal) -> Any:
    if result.status != "answered":
        said = f"{result.agent} stopped unfinished: {result.note} Go on with `resprout runs continue {run}`."
        raise TaskFailed(UNFINISHED, said, task.key)
    return result.answer


def _agent_of(task: Goal, flow: Flow, scope: Scope) -> AgentSpec:
    """Without expressions: what one gave is never evaluated again, for it may come from anybody."""
    who = evaluate(task.agent, scope)
    match who:
        case str() if who in flow.agents:
            spec = _evaluated(flow.agents[who], scope)
        case str() if "/" in who:
            kind, _, key = who.partition("/")
            spec = AgentSpec(kind=kind, key=key)
        case str():
            spec = AgentSpec(role=who)
        case dict():
            spec = AgentSpec.model_validate(who)
        case _:
            said = f"`agent` gives {kind_of(who)}: it must be the name of an agent or a role, or an agent written out."
            raise TaskFailed(UNFIT, said, task.key)
    _refuse_other_kind(spec, task.key)
    return spec


def _refuse_other_kind(spec: AgentSpec, place: str) -> None:
    if spec.kind not in (None, KIND):
        said = f"agents of kind `{spec.kind}` take messages and no goals: declare one with a `role` or a `system`."
        raise TaskFailed(UNFIT, said, place)


def _evaluated(spec: AgentSpec, scope: Scope) -> AgentSpec:
    said = {word: evaluate(getattr(spec, word), scope) for word in ("key", "model", "system")}
    texts = {word: _text(value) for word, value in said.items() if value is not None}
    return spec.model_copy(update={**texts, "variables": evaluate(spec.variables, scope)})


def _crew(spec: AgentSpec, flow: Flow, scope: Scope, above: tuple[str, ...]) -> dict[str, CrewMember]:
    """Whoever is in the crew of a member of its own is left out there: work is given down, not round."""
    return {name: _member(name, flow, scope, above) for name in spec.crew if name not in above}


def _member(name: str, flow: Flow, scope: Scope, above: tuple[str, ...]) -> CrewMember:
    if name not in flow.agents:
        known = ", ".join(flow.agents) or "none"
        raise TaskFailed(UNFIT, f"there is no agent `{name}` for the crew: the flow has {known}.", name)
    spec = _evaluated(flow.agents[name], scope)
    _refuse_other_kind(spec, name)
    return CrewMember(
        key=spec.key,
        description=spec.labels.get("description", "") or (spec.system or "")[:200],
        person=spec.person,
        crew=_crew(spec, flow, scope, (*above, name)),
        **_thinking(spec),
    )


def _thinking(spec: AgentSpec) -> dict[str, Any]:
    given = {word: value for word in _THINKING if (value := getattr(spec, word)) is not None}
    return {"role": spec.role, "variables": spec.variables, **given}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)
