"""The rules of single tasks that their words' types do not say: what goes together, what excludes what."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any

from ...activities.sandbox.spec import problems
from ...actors.address import AgentAddress
from ...actors.errors import BadAddress
from .child_paths import is_team
from .error_types import KNOWN
from .model import Approval, Ask, Child, Condition, Emit, Flow, Goal, Loop, Parallel, Sandbox, Task, Try, Wait
from .places import Tree
from .problem import Finding, Findings, Path
from .schemas import check_schema
from .templates import OPENING, template
from .terms import THINKS
from .vocabulary import did_you_mean

LONGEST_ASK = timedelta(days=1)
OUR_SIGNALS = "resprout-"
BY_LOWER_CASE = {name.lower(): name for name in KNOWN}

Rule = Iterator[tuple[Path, str, str]]


def check_rules(flow: Flow, found: Tree, lenient: frozenset[str], findings: Findings) -> None:
    used: set[str] = set()
    for place in found:
        for path, message, fix in _rules(place.task):
            findings.add((*place.path, *path), message, fix)
        _error_types(place.path, place.task, findings)
        if isinstance(place.task, Ask | Goal):
            used.add(place.task.agent)
            for message, fix in _agent(place.task.agent, flow, lenient):
                findings.add((*place.path, "agent"), message, fix)
    _agents(flow, used, findings)


def _agent(name: str, flow: Flow, lenient: frozenset[str]) -> Iterator[tuple[str, str]]:
    if OPENING in name or name in flow.agents or name in lenient:
        return
    if "/" not in name:
        known = ", ".join(flow.agents)
        otherwise = f"declare it under `agents:`{f', or use {known}' if known else ''}, or write kind/key"
        yield f"there is no agent `{name}`", did_you_mean(name, flow.agents, otherwise)
        return
    try:
        AgentAddress.parse(name)
    except BadAddress as error:
        yield str(error).rstrip("."), "write kind/key, as in greeter/ada"


def _error_types(place: Path, task: Task, findings: Findings) -> None:
    """Agents may raise errors with any name, so one that looks like ours and is none is only warned of."""
    for index, name in enumerate(task.retry.on if task.retry is not None else ()):
        near = get_close_matches(name.lower(), BY_LOWER_CASE, n=1, cutoff=0.8)
        if near and name not in KNOWN:
            message, fix = f"Resprout has no error type `{name}`", f"did you mean `{BY_LOWER_CASE[near[0]]}`?"
            findings.append(Finding((*place, "retry", "on", index), message, fix, severity="warning"))


def _agents(flow: Flow, used: set[str], findings: Findings) -> None:
    dynamic = any("{{" in name for name in used)
    crews = {member for spec in flow.agents.values() for member in spec.crew}
    for name, spec in flow.agents.items():
        if spec.kind is None and spec.role is None and spec.model is None and spec.system is None:
            message = f"the agent `{name}` has no kind"
            findings.add(("agents", name), message, "add `kind:` (an agent class), or for goals `role:` or `system:`")
        for index, member in enumerate(spec.crew):
            if member not in flow.agents:
                fix = did_you_mean(member, flow.agents, "declare it under `agents:`")
                findings.add(("agents", name, "crew", index), f"there is no agent `{member}`", fix)
            elif (kind := flow.agents[member].kind) not in (None, THINKS):
                message = f"`{member}` is of the kind `{kind}`, which takes messages and no goals"
                fix = "give work to an agent with `role:` or `system:`"
                findings.add(("agents", name, "crew", index), message, fix)
        if spec.kind is not None and spec.role is not None:
            findings.add(("agents", name), f"the agent `{name}` has a kind and a role", "leave one of the two out")
        if spec.variables and spec.role is None:
            fix = "add `role:`, or take them out"
            findings.add(("agents", name, "variables"), "variables are those of a role, and there is none", fix)
        if name not in used | crews and not dynamic:
            message = f"the agent `{name}` is declared and never used"
            findings.append(
                Finding(("agents", name), message, "use it in a task, or take it out", True, severity="warning")
            )


def _rules(task: Task) -> Rule:
    yield from _common(task)
    for kind, rule in _OF_KIND.items():
        if isinstance(task, kind):
            yield from rule(task)


def _common(task: Task) -> Rule:
    budget = task.budget
    if budget is not None and not budget.model_fields_set:
        yield ("budget",), "the budget limits nothing", "add tokens, cost, calls or time"
    for path, length in ((("timeout",), task.timeout), (("budget", "time"), budget.time if budget else None)):
        yield from _some_time(path, length)
    retry = task.retry
    if retry is not None and retry.max_backoff < retry.backoff:
        path = ("retry", "max_backoff" if "max_backoff" in retry.model_fields_set else "backoff")
        yield path, "`max_backoff` is shorter than `backoff`", "write the longer one as `max_backoff`"


def _some_time(path: Path, length: timedelta | None) -> Rule:
    if length is not None and not length:
        yield path, f"`{path[-1]}` of nothing always fails", "write a length of time, as in 90s"


def _ask(task: Ask) -> Rule:
    if task.timeout is not None and task.timeout > LONGEST_ASK:
        yield (
            ("timeout",),
            "an agent is given a day to answer at most",
            "write timeout: 1d, and let the agent send a signal when it takes longer",
        )


def _loop(task: Loop) -> Rule:
    spec = task.loop
    kinds = [
        word
        for word, value in (("over", spec.over), ("while", spec.while_), ("until", spec.until))
        if value is not None
    ]
    if len(kinds) != 1:
        if kinds:
            yield ("loop", kinds[1]), f"a loop says `{kinds[0]}` or `{kinds[1]}`, not both", "leave one of them out"
        else:
            yield ("loop",), "the loop does not say how it goes on", "add `over: <list>`, `while:` or `until:`"
        return
    literal = spec.over is not None and not isinstance(spec.over, str)
    if spec.max is None and not literal:
        yield ("loop",), "the loop has no bound", "add `max: <most rounds>`"
    if literal and not spec.over:
        yield ("loop", "over"), "the list is empty, so nothing runs", "add items, or take the loop out"
    if literal and spec.over is not None and spec.max is not None and len(spec.over) > spec.max:
        yield ("loop", "max"), f"the list has {len(spec.over)} items, more than `max`", f"write max: {len(spec.over)}"
    yield from _loop_words(task)


def _loop_words(task: Loop) -> Rule:
    spec = task.loop
    if spec.over is None:
        for word, name in (("max_parallel", "max_parallel"), ("as", "as_")):
            if name in spec.model_fields_set:
                yield ("loop", word), f"`{word}` goes with `over` only", f"take `{word}` out"
    if spec.as_ in {"index", "previous", "outputs"}:
        yield ("loop", "as"), f"`loop.{spec.as_}` has a meaning of its own", "choose another name"


def _parallel(task: Parallel) -> Rule:
    spec = task.parallel
    if isinstance(spec.wait, int) and spec.wait > len(spec.tasks):
        yield ("parallel", "wait"), f"`wait` is {spec.wait}, and there are {len(spec.tasks)} tasks", "write wait: all"


def _condition(task: Condition) -> Rule:
    spec = task.condition
    of_if = {"if", "then", "elif", "else"} & _given(spec)
    of_switch = {"switch", "cases", "default"} & _given(spec)
    if of_if and of_switch:
        first, second = sorted(of_if)[0], sorted(of_switch)[0]
        yield (
            ("condition", second),
            f"`{first}` and `{second}` do not go together",
            "use if/then/elif/else or switch/cases/default",
        )
    elif of_switch:
        yield from _needed("condition", spec.switch is None, "switch", spec.cases == {}, "cases")
    elif of_if:
        yield from _needed("condition", spec.if_ is None, "if", spec.then is None, "then")
    else:
        yield ("condition",), "the condition is empty", "add `if:` and `then:`, or `switch:` and `cases:`"


def _given(spec: Any) -> set[str]:
    return {field.alias or name for name, field in type(spec).model_fields.items() if name in spec.model_fields_set}


def _needed(block: str, first_missing: bool, first: str, second_missing: bool, second: str) -> Rule:
    for missing, word in ((first_missing, first), (second_missing, second)):
        if missing:
            yield (block,), f"`{word}` is missing in `{block}`", f"add `{word}:`"


def _approval(task: Approval) -> Rule:
    spec = task.approval
    if spec.default is not None and spec.timeout is None:
        yield ("approval", "default"), "`default` is the answer after `timeout`, and there is none", "add `timeout: 1d`"
    yield from _some_time(("approval", "timeout"), spec.timeout)
    for name, schema in spec.form.items():
        for path, message, fix in check_schema(schema):
            yield ("approval", "form", name, *path), message, fix


def _wait(task: Wait) -> Rule:
    spec = task.wait
    words = [word for word in ("duration", "until", "signal") if getattr(spec, word) is not None]
    if len(words) != 1:
        if words:
            yield ("wait", words[1]), f"a task waits for `{words[0]}` or `{words[1]}`, not both", "leave one out"
        else:
            yield ("wait",), "it does not say what to wait for", "add `duration: 5m`, `until:` or `signal:`"
    if spec.signal is not None and spec.signal.startswith(OUR_SIGNALS):
        fix = f"write signal: {spec.signal.removeprefix(OUR_SIGNALS) or 'go'}"
        yield ("wait", "signal"), f"signals that begin with `{OUR_SIGNALS}` are for Resprout itself", fix
    if spec.timeout is not None and spec.signal is None:
        yield ("wait", "timeout"), "`timeout` goes with `signal` only", "take it out"
    if isinstance(spec.duration, str) and template(spec.duration).whole is None:
        yield ("wait", "duration"), f"`{spec.duration[:40]}` is not a length of time", "write it as in 90s, 1h30m or 2d"
    if spec.until is not None and OPENING not in spec.until and not _is_moment(spec.until):
        yield ("wait", "until"), f"`{spec.until[:40]}` is not a moment", "write it as in 2026-12-31T23:00:00Z"


def _emit(task: Emit) -> Rule:
    topic = task.emit.topic
    if OPENING in topic:
        return
    try:
        AgentAddress.parse(f"topic/{topic}")
    except BadAddress:
        yield ("emit", "topic"), f"`{topic[:60]}` is no name of a topic", "use letters, digits and - _ . as in payments"


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _try(task: Try) -> Rule:
    if task.catch is None and task.finally_ is None:
        yield (), "a `try` without `catch` or `finally` changes nothing", "add `catch:` or `finally:`"


def _sandbox(task: Sandbox) -> Rule:
    for path, said, fix in problems(task.sandbox):
        yield ("sandbox", *path), said, fix


def _child(task: Child) -> Rule:
    path = task.flow
    if is_team(path):
        return
    if OPENING in path:
        yield (
            ("flow",),
            "the path of a flow cannot hold an expression: what runs is fixed at the start",
            "use `condition`",
        )
    elif path.startswith("/") or "://" in path or "\\" in path:
        yield ("flow",), "the path of a flow is relative to this file", "write it as in ./child.flow.yaml"
    elif not path.endswith((".flow.yaml", ".flow.yml")):
        fix = "flow files end in .flow.yaml; a team that ships is `team/NAME`"
        yield ("flow",), f"`{path[:60]}` is not the name of a flow file", fix


_OF_KIND: dict[type[Any], Callable[[Any], Rule]] = {
    Ask: _ask,
    Emit: _emit,
    Loop: _loop,
    Parallel: _parallel,
    Condition: _condition,
    Approval: _approval,
    Wait: _wait,
    Try: _try,
    Sandbox: _sandbox,
    Child: _child,
}
