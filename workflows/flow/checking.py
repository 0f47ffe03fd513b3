"""Reads flow files and documents, finds everything that is wrong with them, and writes them in one canonical form.

The checks go from rough to fine: the YAML, the shape, the words and types, then what needs the whole file. Parts that
fail are replaced by a placeholder, so that the finer checks still see the rest and all problems are told at once.
"""

import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue, ValidationError

from .input_values import check_inputs
from .model import Flow
from .places import check_needs, tree
from .problem import Finding, Findings, Path, Problem
from .pruning import replace_task, take_out
from .reachable import check_reachable
from .rules import check_rules
from .scopes import Scopes, texts
from .shape import every_task, stray_tasks, task_lists, with_ids
from .slots import slots
from .source import Source
from .wording import findings_of
from .yaml_text import from_yaml
from .yaml_values import DEEPEST

MOST_PROBLEMS = 100
MOST_TASKS = 20_000


@dataclass(frozen=True)
class Reading:
    flow: Flow | None
    """The flow; None when there is an error."""
    problems: tuple[Problem, ...]
    """Errors and warnings, in the order of the file."""
    source: Source = field(repr=False, compare=False)

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "error")


def read(text: str, file: str) -> Reading:
    """Reads a flow file; the problems have lines."""
    return _reading(from_yaml(text, file))


def check(document: Any, file: str = "document") -> Reading:
    """Checks a flow given as JSON; the problems have paths."""
    source = Source(file, document)
    _only_json(document, (), source.findings)
    return _reading(source)


def document(flow: Flow) -> dict[str, JsonValue]:
    """The flow as JSON in the words of the file, without what is left at its default."""
    written: dict[str, JsonValue] = flow.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return written


def content_hash(flow_document: Any) -> str:
    """The same for documents that say the same, whatever the order of their words."""
    canonical = json.dumps(flow_document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _reading(source: Source) -> Reading:
    flow = _check(source) if _is_a_mapping(source) else None
    findings = list(dict.fromkeys(source.findings))
    problems = sorted((source.problem(finding) for finding in findings), key=lambda p: (p.line, p.column))
    errors = any(problem.severity == "error" for problem in problems)
    return Reading(None if errors else flow, tuple(problems[:MOST_PROBLEMS]), source)


def _is_a_mapping(source: Source) -> bool:
    if source.document is None and not source.findings:
        source.findings.add((), "there is nothing in it", "begin with `resprout flow new NAME`")
    elif not isinstance(source.document, dict) and not source.findings:
        source.findings.add((), "a flow file is a mapping", "begin with `flow:` and `tasks:`")
    return isinstance(source.document, dict)


def _only_json(value: Any, path: Path, findings: Findings) -> None:
    """Reports what cannot be in a JSON document; somebody may build one in Python."""
    if len(path) > DEEPEST:
        findings.add(path, f"it is nested deeper than {DEEPEST} levels", "move the inner tasks into a child flow")
    elif isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(key, str):
                _only_json(inner, (*path, key), findings)
            else:
                findings.add(path, f"the key {key!r} is no text", "write it as a text")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _only_json(inner, (*path, index), findings)
    elif isinstance(value, float) and not math.isfinite(value):
        findings.add(path, f"{value} is no number that JSON knows", "write a finite number")
    elif not isinstance(value, str | int | float | None):
        findings.add(path, f"a {type(value).__name__} is no JSON", "give texts, numbers, booleans, lists and mappings")


def _check(source: Source) -> Flow | None:
    findings = source.findings
    if (
        any(finding.message.startswith(("it is nested deeper", "the key ", "a ")) for finding in findings)
        and source.text is None
    ):
        return None
    raw = with_ids(source.document, findings)
    lenient = frozenset(_names_at_fault(findings))
    strays = stray_tasks(raw, findings)
    if sum(1 for _ in every_task(raw)) > MOST_TASKS:
        findings.add(("tasks",), f"more than {MOST_TASKS:,} tasks", "use `loop`, or child flows")
        return None
    for path in reversed(strays):  # inner ones first: an outer one takes them with it
        lenient |= replace_task(raw, path)
    flow, replaced = _typed(raw, findings)
    if flow is None:
        return None
    _check_meaning(flow, raw, lenient | replaced, findings)
    return flow


def _names_at_fault(findings: Findings) -> set[str]:
    return {str(finding.path[1]) for finding in findings if len(finding.path) > 1}


def _typed(raw: dict[str, Any], findings: Findings) -> tuple[Flow | None, frozenset[str]]:
    """The flow, where need be of what is left when the parts at fault are taken out; and the names taken out."""
    lenient: frozenset[str] = frozenset()
    for attempt in range(4):
        try:
            return Flow.model_validate(raw), lenient
        except ValidationError as error:
            found = findings_of(error, raw)
            if attempt == 0:
                findings += _news(found, findings)
            for finding in sorted(found, key=lambda finding: -len(finding.path)):
                lenient |= take_out(raw, finding)
    return None, lenient


def _news(found: Findings, before: Findings) -> list[Finding]:
    """Those that are no echo of another: about the same value, or of an empty list whose entries were at fault."""
    told = {finding.path for finding in before}
    inner = {finding.path[:end] for finding in found for end in range(len(finding.path))}
    return [
        finding
        for finding in found
        if not (finding.message.endswith("is empty") and finding.path in inner)
        and not any(finding.path[:end] in told for end in range(1, len(finding.path) + 1))
    ]


def _check_meaning(flow: Flow, raw: dict[str, Any], lenient: frozenset[str], findings: Findings) -> None:
    found = tree(flow)
    own = Findings()
    check_inputs(flow, own)
    check_needs(found, own)
    check_rules(flow, found, lenient, own)
    Scopes(flow, found, lenient, own).check()
    _stray_expressions(flow, raw, own)
    check_reachable(found, own)
    findings += [finding for finding in own if not _is_about(finding, lenient)]


def _is_about(finding: Finding, lenient: frozenset[str]) -> bool:
    """Whether it says that something is unknown which is known to be at fault."""
    if not finding.message.startswith("there is no "):
        return False
    name = finding.message.rpartition(" `")[2].rstrip("`")
    return name in lenient


def _stray_expressions(flow: Flow, raw: dict[str, Any], findings: Findings) -> None:
    """Reports expressions where none is evaluated."""
    for _, path in texts(raw.get("flow"), ("flow",)):
        _stray(path, findings)
    known = {task.key: task for task in flow.every_task()}
    for path, task in every_task(raw):
        typed = known.get(str(task.get("id")))
        if typed is None:
            continue
        allowed = {slot.path for slot in slots(typed)} | _CHECKED_ELSEWHERE
        inner = {place for place, _ in task_lists(task)}
        inner |= {
            place[:1] for place in inner if isinstance(task.get(str(place[0])), list)
        }  # the short form of `parallel`
        for _, place in texts(task, (), inner):
            if not any(place[: len(steps)] == steps for steps in allowed):
                _stray((*path, *place), findings)


_CHECKED_ELSEWHERE = {("agent",), ("tool",), ("flow",), ("id",)}


def _stray(path: Path, findings: Findings) -> None:
    word = next(step for step in reversed(path) if isinstance(step, str))
    findings.add(path, f"`{word}` cannot hold an expression", "write the value itself", snippet="${{")
