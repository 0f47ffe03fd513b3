"""What a run of a flow will do to the world, read from the flow's document before the run is started.

The steps of a run that are no calls of tools ask no policy: whoever starts the run must be allowed all that they do.
Its calls of tools are decided when they are made, for the same people, and are not counted here.

The invariant: nothing is read as less than it may turn out to be. What stands in an expression is known when the run
is on its way, so it counts as `*`, and so does what cannot be read.
"""

from collections.abc import Callable, Iterator
from typing import Any

from ..manifest import Action, Permission

CAN: tuple[Action, ...] = ("code.run", "net.connect", "secrets.use", "agents.ask")
MOST = 100  # different things; beyond that, each action counts for all that it could be done to
ANY = "*"
EXPRESSION = "${{"

_LISTS = frozenset({"sequential", "try", "catch", "finally", "compensate"})
_BLOCKS = {
    "parallel": frozenset({"tasks"}),
    "condition": frozenset({"then", "else", "default"}),
    "loop": frozenset({"do"}),
}


def flow_needs(document: dict[str, Any]) -> tuple[Permission, ...]:
    agents = document.get("agents")
    known = agents if isinstance(agents, dict) else {}
    found = dict.fromkeys(need for task in _tasks(document.get("tasks")) for need in _needs_of(task, known))
    if len(found) > MOST:
        return tuple(Permission(action=action) for action in dict.fromkeys(need.action for need in found))
    return tuple(found)


def _tasks(listed: Any) -> Iterator[dict[str, Any]]:
    """Every mapping that stands where a task belongs, of whatever kind, however deep."""
    waiting = [listed]
    while waiting:
        here = waiting.pop()
        for task in here if isinstance(here, list) else ():
            if isinstance(task, dict):
                yield task
                waiting.extend(_inside(task))


def _inside(task: dict[str, Any]) -> Iterator[Any]:
    for word, content in _plain(task):
        if word in _LISTS or (word == "parallel" and isinstance(content, list)):
            yield content
        elif word in _BLOCKS and isinstance(content, dict):
            yield from (inner for name, inner in _plain(content) if name in _BLOCKS[word])
            yield from _branches(content)


def _branches(block: dict[str, Any]) -> Iterator[Any]:
    for name, inner in _plain(block):
        if name == "elif" and isinstance(inner, list):
            yield from (then for one in inner if isinstance(one, dict) for word, then in _plain(one) if word == "then")
        elif name == "cases" and isinstance(inner, dict):
            yield from inner.values()


def _plain(words: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """A flow may write `finally_` for `finally`, as Python does."""
    return ((word.removesuffix("_"), content) for word, content in words.items())


def _needs_of(task: dict[str, Any], agents: dict[str, Any]) -> Iterator[Permission]:
    for word, content in task.items():
        if word in _NEEDS:
            yield from _NEEDS[word](task, content, agents)


def _of_sandbox(task: dict[str, Any], content: Any, agents: dict[str, Any]) -> Iterator[Permission]:
    spec = content if isinstance(content, dict) else {}
    yield Permission(action="code.run", on=_literal(spec.get("language") or spec.get("image")))
    net = spec.get("net", "none")
    for host in net if isinstance(net, list) else () if net == "none" else (ANY,):
        yield Permission(action="net.connect", on=_literal(host))
    secrets = spec.get("secrets", {})
    for secret in secrets.values() if isinstance(secrets, dict) else (ANY,):
        yield Permission(action="secrets.use", on=_literal(secret))


def _of_agent(task: dict[str, Any], content: Any, agents: dict[str, Any]) -> Iterator[Permission]:
    named = _literal(task.get("agent"))
    spec = agents.get(named)
    if isinstance(spec, dict):
        kind, key = _literal(spec.get("kind")), _literal(spec.get("key") or named)
        named = f"{kind}/{key}"
    yield Permission(action="agents.ask", on=named)


def _of_emit(task: dict[str, Any], content: Any, agents: dict[str, Any]) -> Iterator[Permission]:
    """A topic is an agent."""
    topic = _literal(content.get("topic")) if isinstance(content, dict) else ANY
    yield Permission(action="agents.ask", on=f"topic/{topic}")


def _literal(text: Any) -> str:
    return text if isinstance(text, str) and text and EXPRESSION not in text else ANY


_NEEDS: dict[str, Callable[[dict[str, Any], Any, dict[str, Any]], Iterator[Permission]]] = {
    "sandbox": _of_sandbox,
    "ask": _of_agent,
    "goal": _of_agent,
    "emit": _of_emit,
}
