"""Takes out of a document what is at fault, so that the rest can still be checked.

A task at fault becomes a placeholder with the same id and the same needs, so that references to it stay right.
"""

import re
from typing import Any

from .model import TaskBase
from .problem import Finding, Path
from .shape import every_task
from .terms import ID
from .words import TASK_LISTS, fields, inside

# Words without which a task is still the same task.
_SPARED = fields(TaskBase).keys() - {"id", "needs", "compensate"} | {"with"}


def take_out(raw: dict[str, Any], finding: Finding) -> frozenset[str]:
    path = finding.path
    task = next((path[:end] for end in range(len(path), 0, -1) if _is_task(raw, path[:end])), None)
    if task is not None:
        word = str(path[len(task)]) if len(path) > len(task) else ""
        if (finding.on_key and len(path) == len(task) + 1) or word in _SPARED:
            _at(raw, task).pop(word, None)
            return frozenset()
        return replace_task(raw, task)
    match path:
        case ("flow", *_):
            raw["flow"] = {"name": "unnamed"}
        case ("inputs" | "outputs" | "env" | "agents" as word, str(name), *_) if isinstance(raw.get(word), dict):
            raw[word].pop(name, None)
            return frozenset({name})
        case (str(word), *_) if word in raw:
            names = set(raw[word]) if isinstance(raw[word], dict) else set()
            del raw[word]
            return frozenset(names)
        case () if "flow" not in raw:
            raw["flow"] = {"name": "unnamed"}
    return frozenset()


def _is_task(raw: Any, path: Path) -> bool:
    return isinstance(path[-1], int) and "tasks" in path[:1] and _role(path) in TASK_LISTS


def _role(path: Path) -> str | int:
    if len(path) > 3 and path[-3] == "cases":
        return "tasks"
    return path[-2] if len(path) > 1 else ""


def _at(raw: Any, path: Path) -> Any:
    for step in path:
        raw = inside(raw, step)
    return raw


def replace_task(raw: dict[str, Any], path: Path) -> frozenset[str]:
    """Puts a placeholder where a task is at fault; returns the ids that are gone."""
    siblings = _at(raw, path[:-1])
    index = path[-1]
    if not isinstance(siblings, list) or not isinstance(index, int) or index >= len(siblings):
        return frozenset()
    task = siblings[index]
    gone = {str(inner.get("id")) for _, inner in every_task({"tasks": [task]})} if isinstance(task, dict) else set()
    name = task.get("id") if isinstance(task, dict) and isinstance(task.get("id"), str) else None
    kept = {"needs": task["needs"]} if isinstance(task, dict) and _are_ids(task.get("needs")) else {}
    siblings[index] = {"id": _placeholder_id(name, path), "wait": {"duration": "0s"}, **kept}
    return frozenset(gone | {siblings[index]["id"]})


def _are_ids(needs: Any) -> bool:
    return isinstance(needs, list) and all(isinstance(name, str) and re.fullmatch(ID, name) for name in needs)


def _placeholder_id(name: str | None, path: Path) -> str:
    if name is not None and re.fullmatch(ID, name) and len(name) < 64:
        return name
    return "at_" + "_".join(str(step) for step in path if isinstance(step, int))
