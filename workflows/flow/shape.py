"""The rough shape of a document, before its words are checked: where task lists stand, and ids for those without.

A wrong document has no typed form, yet all its problems are told at once. So these functions take anything.
"""

from collections import Counter
from collections.abc import Iterator
from copy import copy
from typing import Any

from .model import TASK_WORDS
from .problem import Findings, Path
from .vocabulary import instead

# Where lists of tasks stand in a task: word → places below it.
_BLOCKS = {
    "parallel": ("tasks",),
    "condition": ("then", "else", "default"),
    "loop": ("do",),
}
_LISTS = ("sequential", "try", "catch", "finally", "compensate")


def task_lists(task: dict[str, Any]) -> Iterator[tuple[Path, list[Any]]]:
    """The lists of tasks in a task, whatever kind it is, in the order of the file."""
    for word, content in task.items():
        if word in _LISTS or (word == "parallel" and isinstance(content, list)):
            path: Path = (word, "tasks") if word == "parallel" else (word,)
            if isinstance(content, list):
                yield path, content
        elif word in _BLOCKS and isinstance(content, dict):
            yield from _lists_of_block(word, content)


def _lists_of_block(word: str, block: dict[str, Any]) -> Iterator[tuple[Path, list[Any]]]:
    for name, inner in block.items():
        if name in _BLOCKS[word] and isinstance(inner, list):
            yield (word, name), inner
        elif word == "condition" and name == "elif" and isinstance(inner, list):
            for index, branch in enumerate(inner):
                if isinstance(branch, dict) and isinstance(branch.get("then"), list):
                    yield (word, name, index, "then"), branch["then"]
        elif word == "condition" and name == "cases" and isinstance(inner, dict):
            for value, tasks in inner.items():
                if isinstance(tasks, list):
                    yield (word, name, value), tasks


def every_task(document: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every mapping that stands where a task belongs, outer ones first, in the order of the file."""
    waiting: list[tuple[Path, Any]] = _entries(("tasks",), document.get("tasks"))
    while waiting:
        path, task = waiting.pop()
        if isinstance(task, dict):
            yield path, task
            inside = [
                entry for place, tasks in task_lists(task) for entry in reversed(_entries((*path, *place), tasks))
            ]
            waiting.extend(reversed(inside))


def _entries(path: Path, tasks: Any) -> list[tuple[Path, Any]]:
    """Last first, as a stack wants them."""
    return (
        [((*path, index), task) for index, task in reversed(list(enumerate(tasks)))] if isinstance(tasks, list) else []
    )


def with_ids(document: dict[str, Any], findings: Findings) -> dict[str, Any]:
    """A copy in which every task has an id: `ask_1`, `ask_2`, … where none was given. Reports ids given twice."""
    document = _copied(document)
    taken: dict[str, Path] = {}
    without: list[tuple[str, dict[str, Any]]] = []
    for path, task in every_task(document):
        name = task.get("id")
        if name is None:
            without.append((next((word for word in task if word in TASK_WORDS), "task"), task))
        elif isinstance(name, str) and name in taken:
            fix = f"choose another id, such as `{_free(name, taken)}`"
            findings.add((*path, "id"), f"the id `{name}` is taken: ids are unique in the whole file", fix)
        elif isinstance(name, str):
            taken[name] = path
    numbers: Counter[str] = Counter()
    for word, task in without:
        numbers[word] += 1
        while f"{word}_{numbers[word]}" in taken:
            numbers[word] += 1
        task["id"] = f"{word}_{numbers[word]}"
    return document


def _free(name: str, taken: dict[str, Path]) -> str:
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def _copied(value: Any) -> Any:
    """A deep copy of lists and mappings; the scalars are shared. An alias becomes a copy of its own."""
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else copy(value)


def stray_tasks(document: dict[str, Any], findings: Findings) -> list[Path]:
    """Reports tasks that are of no kind or of two kinds, and returns where they stand."""
    stray = []
    for path, task in every_task(document):
        words = [word for word in task if word in TASK_WORDS]
        if len(words) > 1:
            _two_words(path, words, findings)
        elif not words:
            _no_word(path, task, findings)
        if len(words) != 1:
            stray.append(path)
    return stray


def _two_words(path: Path, words: list[str], findings: Findings) -> None:
    findings.on_word(
        (*path, words[1]),
        f"a task is one thing, and this one says `{'`, `'.join(words[:-1])}` and `{words[-1]}`",
        "make it one task for each, in `sequential` or `parallel`",
    )


def _no_word(path: Path, task: dict[str, Any], findings: Findings) -> None:
    for word in task:
        if hint := instead(word, TASK_WORDS):
            findings.on_word((*path, word), f"`{word}` is no kind of task", hint)
            return
    if "agent" in task:
        findings.add(
            path, "the task says which agent, but not what it should do", "add `ask: <message type>` or `goal:`"
        )
        return
    known = ", ".join(TASK_WORDS)
    findings.add(path, "the task does not say what it does", f"add one of {known}")
