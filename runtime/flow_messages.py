"""What a flow says to agents and tools, held against what is known here: kinds, message types, tools, fields, roles.

Only warnings: a host may run modules that this process does not have. What an expression gives is not known here.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..activities.tools.toolbox import Toolbox, UnknownTool
from ..actors.catalogue import catalogue
from ..actors.errors import Rejected
from ..workflows.flow import Problem, read
from ..workflows.flow.checking import Reading
from ..workflows.flow.child_paths import child_path
from ..workflows.flow.frozen import LoadChild
from ..workflows.flow.model import AgentSpec, Ask, Child, Flow, Tool
from ..workflows.flow.places import tree
from ..workflows.flow.problem import Finding, Path
from ..workflows.flow.templates import OPENING
from ..workflows.flow.vocabulary import did_you_mean, nearest
from .roles import Roles

_SEE = "see `resprout agent catalogue`"


def warnings(
    text: str, file: str, load: LoadChild, tools: Callable[[], Toolbox], roles: Roles, *, with_agents: bool = True
) -> tuple[Problem, ...]:
    """Of a flow that has no errors, and of the flows that it starts; `load` is as in `freeze`. `tools` is called when
    a flow calls one. Without agents, nothing is known of them, and nothing said."""
    known = catalogue() if with_agents else None
    found: dict[str, tuple[Problem, ...]] = {}
    waiting = [(text, file)]
    while waiting:
        text, name = waiting.pop()
        reading = read(text, name)
        if name in found or reading.flow is None:
            continue
        found[name] = tuple(reading.source.problem(one) for one in _findings(reading.flow, known, tools, roles))
        waiting += [load(path) for path in _children(reading, name)]
    return tuple(problem for problems in found.values() for problem in problems)


def _children(reading: Reading, file: str) -> Iterator[str]:
    assert reading.flow is not None
    for task in reading.flow.every_task():
        if isinstance(task, Child):
            yield child_path(file, task.flow)


def _findings(
    flow: Flow, known: dict[str, Any] | None, tools: Callable[[], Toolbox], roles: Roles
) -> Iterator[Finding]:
    for name, spec in flow.agents.items():
        if spec.role is not None:
            yield from _role(spec, spec.role, ("agents", name), roles)
    for place in tree(flow):
        if isinstance(place.task, Tool):
            yield from _call(place.task, place.path, tools())
    if known is not None:
        yield from _said_to_agents(flow, known)


def _role(spec: AgentSpec, name: str, path: Path, roles: Roles) -> Iterator[Finding]:
    """Workers may have other roles than this process."""
    try:
        role = roles.find(name)
    except Rejected as error:
        message, _, fix = str(error).rstrip(".").rpartition(": ")
        yield _warning((*path, "role"), message, fix)
        return
    known = ", ".join(role.variables) or "none"
    for variable in spec.variables:
        if variable not in role.variables:
            fix = did_you_mean(variable, role.variables, f"its variables are {known}")
            message = f"the role `{name}` has no variable `{variable}`"
            yield _warning((*path, "variables", variable), message, fix, on_key=True)


def _said_to_agents(flow: Flow, known: dict[str, Any]) -> Iterator[Finding]:
    for name, spec in flow.agents.items():
        if spec.kind is not None:
            yield from _kind(spec.kind, ("agents", name, "kind"), known["kinds"])
    for place in tree(flow):
        task = place.task
        if not isinstance(task, Ask):
            continue
        spec_ = flow.agents.get(task.agent)
        kind = spec_.kind if spec_ is not None else task.agent.partition("/")[0]
        if spec_ is None:
            yield from _kind(kind or "", (*place.path, "agent"), known["kinds"])
        yield from _message(task, kind, place.path, known)


def _kind(kind: str, path: Path, kinds: Iterable[str]) -> Iterator[Finding]:
    if OPENING not in kind and kind not in kinds:
        message = f"the agent modules know no kind `{kind}`"
        yield _warning(path, message, did_you_mean(kind, kinds, _SEE), snippet=kind)


def _message(task: Ask, kind: str | None, path: Path, known: dict[str, Any]) -> Iterator[Finding]:
    messages, kinds = known["messages"], known["kinds"]
    handlers = kinds.get(kind, {}).get("handlers")
    place = (*path, "ask")
    if task.ask not in messages:
        fix = did_you_mean(task.ask, handlers or (), did_you_mean(task.ask, messages, _SEE))
        yield _warning(place, f"the agent modules know no message type `{task.ask}`", fix)
        return
    if handlers is not None and task.ask not in handlers:
        handled = ", ".join(handlers) or "nothing"
        fix = did_you_mean(task.ask, handlers, f"they handle {handled}")
        yield _warning(place, f"agents of kind `{kind}` do not handle `{task.ask}`", fix)
    yield from _fields(task, task.ask, "ask", path, messages[task.ask]["schema"])


def _call(task: Tool, path: Path, toolbox: Toolbox) -> Iterator[Finding]:
    """An imported tool is known to workers only, so its family is no mistake."""
    try:
        manifest = toolbox.find(task.tool).manifest
    except (UnknownTool, Rejected) as error:
        if task.tool.partition(".")[0] in {one.manifest.family for one in toolbox}:
            message, _, fix = str(error).rstrip(".").partition(":")
            yield _warning((*path, "tool"), message, fix.strip() or "see `resprout tool list --all`")
        return
    if manifest.deprecated is not None:
        yield _warning((*path, "tool"), f"{manifest.reference} is deprecated", manifest.deprecated)
    yield from _fields(task, task.tool, "tool", path, manifest.input)


def _fields(task: Ask | Tool, what: str, word: str, path: Path, schema: dict[str, Any]) -> Iterator[Finding]:
    noun = "field" if word == "ask" else "argument"
    fields = schema.get("properties", {})
    unknown = [name for name in task.with_ if name not in fields]
    missing = [name for name in schema.get("required", ()) if name not in task.with_]
    if schema.get("additionalProperties") is False:
        has = f"its {noun}s are {', '.join(fields)}" if fields else "it has none"
        for name in unknown:
            near = did_you_mean(name, missing or fields, did_you_mean(name, fields, has))
            yield _warning((*path, "with", name), f"`{what}` has no {noun} `{name}`", near, on_key=True)
    for name in missing:
        if nearest(name, unknown) is None:  # else the misspelled one has been told
            place = (*path, "with") if task.with_ else (*path, word)
            yield _warning(place, f"the {noun} `{name}` of `{what}` is missing", f"add with: {{{name}: …}}")


def _warning(path: Path, message: str, fix: str, **more: Any) -> Finding:
    return Finding(path, message, fix, severity="warning", **more)
