"""Checks what expressions refer to: that it exists, that it has been decided by then, and that its type fits."""

from collections.abc import Iterable, Iterator, Set
from typing import Any

from .decided import why_undecided
from .holes import Checked, check_constant, check_text, must_be_one
from .model import Flow, Loop
from .places import Place, Tree
from .problem import Findings, Path
from .references import Reference
from .slots import Moment, Slot, slots
from .templates import OPENING
from .types import (
    ARTICLES,
    ERROR,
    RUN,
    STATUSES,
    TASK,
    Lost,
    Schema,
    env_schema,
    follow,
    inputs_schema,
    output_schema,
    types_of,
)
from .vocabulary import did_you_mean, nearest

ROOTS = ("inputs", "tasks", "env", "run", "loop", "error")


def texts(value: Any, path: Path, without: Set[Path] = frozenset()) -> Iterator[tuple[str, Path]]:
    """Every text with an expression in a JSON value, except at and below some places."""
    if path in without:
        return
    match value:
        case str() if OPENING in value:
            yield value, path
        case dict():
            for key, inner in value.items():
                yield from texts(inner, (*path, key), without)
        case list() | tuple():
            for index, inner in enumerate(value):
                yield from texts(inner, (*path, index), without)


class Scopes:
    """The roots of one flow, and what they hold at each place."""

    def __init__(self, flow: Flow, found: Tree, lenient: frozenset[str], findings: Findings) -> None:
        self.flow = flow
        self.tree = found
        self.lenient = lenient
        """Names whose definition is wrong already: that a reference to one fails is no news."""
        self.findings = findings
        self.schemas: dict[str, Schema] = {
            "inputs": inputs_schema(flow),
            "env": env_schema(flow),
            "run": RUN,
            "error": ERROR,
        }

    def check(self) -> None:
        for name, env in self.flow.env.items():
            self._around(env, ("env", name), ("inputs", "run"), "`env` is evaluated before the first task")
        for name, agent in self.flow.agents.items():
            for word in ("key", "model", "system", "variables"):
                path = ("agents", name, word)
                self._around(
                    getattr(agent, word), path, ("inputs", "env", "run"), "agents are named before the first task"
                )
        for place in self.tree:
            for slot in slots(place.task):
                self._check_slot(place, slot)
        for name, output in (self.flow.outputs or {}).items():
            self._around(
                output, ("outputs", name), ("inputs", "env", "run", "tasks"), "`outputs` is evaluated at the end"
            )

    def _around(self, value: Any, path: Path, roots: Iterable[str], why: str) -> None:
        """What stands outside of tasks."""
        for text, here in texts(value, path):
            for checked in check_text(text, here, self.findings):
                for reference in checked.references:
                    if reference.root in ROOTS and reference.root not in roots:
                        self._refuse(
                            checked,
                            reference,
                            here,
                            f"{why}, so there is no `{reference.root}`",
                            f"use {', '.join(roots)}",
                        )
                    else:
                        self._check_reference(checked, reference, here, None, Moment.BEFORE)

    def _check_slot(self, place: Place, slot: Slot) -> None:
        path = (*place.path, *slot.path)
        word = str(slot.path[-1])
        if slot.wants is not None and not must_be_one(slot.value, word, path, self.findings):
            return
        for text, here in texts(slot.value, path):
            for checked in check_text(text, here, self.findings):
                if slot.wants is not None:
                    check_constant(checked, slot.wants, word, here, self.findings)
                for reference in checked.references:
                    known = self._check_reference(checked, reference, here, place, slot.moment)
                    if known is not None and reference.end - reference.start == len(checked.hole.source.strip()):
                        self._check_type(slot, word, checked, reference, known, here)

    def _refuse(self, checked: Checked, reference: Reference, path: Path, message: str, fix: str) -> None:
        source = checked.hole.source[reference.start : reference.end]
        self.findings.add(path, message, fix, snippet=source, offset=checked.hole.start + reference.start)

    def _check_type(
        self, slot: Slot, word: str, checked: Checked, reference: Reference, known: Schema, path: Path
    ) -> None:
        types = types_of(known)
        if not types or slot.wants not in {"boolean", "array"} or slot.wants in types or reference.computed:
            return
        kind = " or ".join(sorted(ARTICLES.get(name, f"a {name}") for name in types))
        if slot.wants == "array":
            fix = (
                f"make it a list, or write `keys({reference})` for a mapping" if "object" in types else "give it a list"
            )
            self._refuse(checked, reference, path, f"`{word}` goes through a list, and `{reference}` is {kind}", fix)
            return
        fix = next((fix for name, fix in _AS_CONDITION.items() if name in types), "compare it with something")
        fix = '{} == "completed"' if reference.root == "tasks" and reference.path[1:] == ("status",) else fix
        message = f"`{word}` must be true or false, and `{reference}` is {kind}"
        self._refuse(checked, reference, path, message, f"write {word}: ${{{{ {fix.format(reference)} }}}}")

    def _check_reference(
        self, checked: Checked, reference: Reference, path: Path, place: Place | None, moment: Moment
    ) -> Schema | None:
        """What is known of the type of what it refers to; None when it cannot be referred to."""
        if reference.path and str(reference.path[0]) in self.lenient:
            return None
        match reference.root:
            case "tasks":
                refused = self._task_reference(reference, place, moment)
            case "loop":
                refused = self._loop_reference(reference, place, moment)
            case "error":
                refused = _error_reference(place) or self._follow(reference)
            case "inputs" | "env" | "run":
                refused = self._follow(reference)
            case _:
                refused = self._no_root(reference, place)
        if isinstance(refused, dict):
            return refused
        self._refuse(checked, reference, path, *refused)
        return None

    def _follow(self, reference: Reference) -> Schema | tuple[str, str]:
        followed = follow(self.schemas[reference.root], reference.root, reference.path)
        return (followed.message, followed.fix) if isinstance(followed, Lost) else followed

    def _no_root(self, reference: Reference, place: Place | None) -> tuple[str, str]:
        name = reference.root
        message = f"there is no `{name}` here"
        if name in _LITERALS:
            return message, f"write `{_LITERALS[name]}`"
        loops = [loop.task.loop.as_ for loop in place.loops() if isinstance(loop.task, Loop)] if place else []
        if name in loops:
            return message, f"write `loop.{name}`"
        if name in self.tree.by_id:
            return message, f"write `tasks.{name}.output`"
        for root, names in (("inputs", self.flow.inputs), ("env", self.flow.env)):
            if name in names:
                return message, f"write `{root}.{name}`"
        near = nearest(name, ROOTS)
        return (
            message,
            f"did you mean `{near}`?" if near else f"expressions know {', '.join(ROOTS)}; write texts in quotes",
        )

    def _loop_reference(self, reference: Reference, place: Place | None, moment: Moment) -> Schema | tuple[str, str]:
        loops = list(place.loops()) if place else []
        if place is not None and moment in {Moment.WHILE, Moment.UNTIL}:
            loops.insert(0, place)
        if not loops:
            return "`loop` is known only inside a loop", "move the task into `loop.do`, or refer to something else"
        names = ["index", "previous", "outputs"]
        for loop in loops:
            if isinstance(loop.task, Loop) and loop.task.loop.over is not None:
                names.insert(0, loop.task.loop.as_)
        if not reference.path:
            return {}
        name, *rest = reference.path
        if name not in names:
            return f"`loop` has no `{name}`", did_you_mean(str(name), names, f"here it has {', '.join(names)}")
        followed = follow(_LOOP.get(str(name), {}), f"loop.{name}", tuple(rest))
        return (followed.message, followed.fix) if isinstance(followed, Lost) else followed

    def _task_reference(self, reference: Reference, place: Place | None, moment: Moment) -> Schema | tuple[str, str]:
        if not reference.path or not isinstance(reference.path[0], str):
            return "`tasks` can be used only with the id of a task", "write `tasks.<id>.output`"
        name, rest = reference.path[0], list(reference.path[1:])
        target = self.tree.by_id.get(name)
        if target is None:
            known = ", ".join(list(self.tree.by_id)[:8])
            return f"there is no task `{name}`", did_you_mean(name, self.tree.by_id, f"the tasks are {known}")
        refused = why_undecided(target, place, moment)
        if refused is not None:
            return refused
        if not rest:
            return f"`tasks.{name}` has output, status and error", f"write `tasks.{name}.output`"
        if rest[0] not in TASK:
            near = nearest(str(rest[0]), TASK)
            fix = f"did you mean `{near}`?" if near else f"write `tasks.{name}.output.{rest[0]}`"
            return f"a task has output, status and error, not `{rest[0]}`", fix
        return _of_task(target, rest)


_LOOP: dict[str, Schema] = {"index": {"type": "integer"}, "outputs": {"type": "array"}}
_LITERALS = {"True": "true", "False": "false", "None": "null", "nil": "null", "undefined": "null", "item": "loop.item"}
_LITERALS |= {"index": "loop.index", "github": "run", "context": "inputs", "ctx": "inputs", "args": "inputs"}
_AS_CONDITION = {
    "integer": "{} > 0",
    "number": "{} > 0.0",
    "string": '{} != ""',
    "array": "size({}) > 0",
    "object": "size({}) > 0",
    "null": "{} != null",
}


def _of_task(target: Place, rest: list[str | int]) -> Schema | tuple[str, str]:
    way = f"tasks.{target.id}.{rest[0]}"
    if rest[0] == "status":
        schema: Schema = {"type": "string", "enum": list(STATUSES)}
    elif rest[0] == "error" or target.task.if_ is not None or target.within("catch"):
        schema = {}
    else:
        schema = output_schema(target.task)
    followed = follow(schema, way, tuple(rest[1:]))
    return (followed.message, followed.fix) if isinstance(followed, Lost) else followed


def _error_reference(place: Place | None) -> tuple[str, str] | None:
    if place is not None and place.within("catch"):
        return None
    return "`error` is known only inside `catch`", "use `tasks.<id>.error`, or move the task into `catch`"
