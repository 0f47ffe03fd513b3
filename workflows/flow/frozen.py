"""A flow with all its child flows, frozen: what a run is given, so that changing a file changes no run in flight."""

import json
import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue

from ...actors.errors import NotFound
from .checking import Reading, check, content_hash, document, read
from .child_paths import child_path
from .input_values import wanted
from .model import Child, Flow
from .places import Place, tree
from .problem import Finding, Problem
from .schemas import sentences
from .templates import OPENING
from .vocabulary import did_you_mean

DEEPEST = 10
LARGEST = 5_000_000  # characters of a flow as JSON with all its children, each as often as it is started

LoadChild = Callable[[str], tuple[str, str]]
"""From the path of a child flow, relative to where the first file's path starts, to (its text, its name for messages);
raises OSError or KeyError when there is none. A team that ships is named as it is, and NotFound names the nearest."""


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    document: dict[str, JsonValue]
    """The flow in its canonical form."""
    children: "dict[str, Frozen]" = {}
    """The child flows, by the paths that the tasks of this one give."""
    hash: str
    """Of the flow and its children: the same for files that say the same."""

    @property
    def flow(self) -> Flow:
        """The typed flow; cheap enough to build when needed."""
        return Flow.model_validate(self.document)


@dataclass(frozen=True)
class Freezing:
    frozen: Frozen | None
    """The frozen flow; None when there is an error, here or in a child."""
    problems: tuple[Problem, ...]


@dataclass
class _Files:
    """The files that are being read, and those that are done."""

    load: LoadChild
    problems: list[Problem] = field(default_factory=list)
    done: dict[str, tuple[Frozen, Flow] | None] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)  # by hash


def freeze(text: str, file: str, load_child: LoadChild) -> Freezing:
    files = _Files(load_child)
    frozen = _freeze(read(text, file), posixpath.normpath(file), (posixpath.normpath(file),), files)
    errors = any(problem.severity == "error" for problem in files.problems)
    return Freezing(None if errors or frozen is None else frozen[0], tuple(files.problems))


def freeze_document(flow_document: Any, load_child: LoadChild, file: str = "document") -> Freezing:
    """The same for a flow given as JSON or built in Python (then give `document(flow)`)."""
    files = _Files(load_child)
    frozen = _freeze(check(flow_document, file), file, (file,), files)
    errors = any(problem.severity == "error" for problem in files.problems)
    return Freezing(None if errors or frozen is None else frozen[0], tuple(files.problems))


def _freeze(reading: Reading, path: str, trail: tuple[str, ...], files: _Files) -> tuple[Frozen, Flow] | None:
    files.problems += reading.problems
    if reading.flow is None:
        return None
    children: dict[str, Frozen] = {}
    for place in tree(reading.flow):
        if isinstance(place.task, Child):
            child = _child(reading, place, place.task, path, trail, files)
            if child is not None:
                children[place.task.flow] = child[0]
                _check_inputs(reading, place, place.task, child[1], files)
    flow_document = document(reading.flow)
    hashes = {name: child.hash for name, child in children.items()}
    whole = content_hash({"document": flow_document, "children": hashes})
    files.sizes[whole] = len(json.dumps(flow_document)) + sum(files.sizes[child.hash] for child in children.values())
    if files.sizes[whole] > LARGEST:
        first = next(place for place in tree(reading.flow) if isinstance(place.task, Child))
        message = f"with all the flows that it starts, this one has {files.sizes[whole]:,} characters as JSON"
        _report(reading, first, message, f"start fewer: {LARGEST:,} may travel with a run", files)
        return None
    return Frozen(document=flow_document, children=children, hash=whole), reading.flow


def _child(
    reading: Reading, place: Place, task: Child, path: str, trail: tuple[str, ...], files: _Files
) -> tuple[Frozen, Flow] | None:
    target = child_path(path, task.flow)
    if target in files.done:
        return files.done[target]
    if target in trail:
        circle = " → ".join((*trail[trail.index(target) :], target))
        _report(reading, place, f"these flows start each other for ever: {circle}", "use a `loop` in one flow", files)
        return None
    if len(trail) >= DEEPEST:
        _report(reading, place, f"flows start flows more than {DEEPEST} deep", "join some of them", files)
        return None
    try:
        text, name = files.load(target)
    except NotFound as error:
        message, _, fix = str(error).rstrip(".").partition(": ")
        _report(reading, place, message, fix, files)
        return None
    except (OSError, KeyError, ValueError) as error:  # a ValueError: no text, or a name that no file can have
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "there is no such flow"
        message = f"the flow `{task.flow}` cannot be read: {reason.lower()}"
        _report(reading, place, message, "give its path relative to this file", files)
        return None
    files.done[target] = _freeze(read(text, name), target, (*trail, target), files)
    return files.done[target]


def _check_inputs(reading: Reading, place: Place, task: Child, child: Flow, files: _Files) -> None:
    for name, value in task.with_.items():
        spec = child.inputs.get(name)
        if spec is None:
            known = ", ".join(child.inputs) or "none"
            fix = did_you_mean(name, child.inputs, f"its inputs are {known}")
            found = Finding((*place.path, "with", name), f"`{child.name}` has no input `{name}`", fix, on_key=True)
            files.problems.append(reading.source.problem(found))
        elif OPENING not in str(value):
            for _, said in sentences(value, spec.value_schema):
                message = f"the input `{name}` of `{child.name}`: {said}"
                _report(reading, place, message, "change the value", files, ("with", name))
    for name, spec in child.inputs.items():
        if spec.required and name not in task.with_:
            message = f"the input `{name}` of `{child.name}` is missing: {wanted(spec)}"
            _report(reading, place, message, f"add with: {{{name}: …}}", files)


def _report(
    reading: Reading, place: Place, message: str, fix: str, files: _Files, below: tuple[str, ...] = ("flow",)
) -> None:
    files.problems.append(reading.source.problem(Finding((*place.path, *below), message, fix)))
