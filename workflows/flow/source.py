"""A document and where its parts stand in the text that it was read from."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .problem import Finding, Findings, Path, Problem, written


class Mark(NamedTuple):
    """Where something stands: line and column count from 0; `start` and `end` are places in the text."""

    line: int
    column: int
    start: int
    end: int


@dataclass
class Source:
    """A document and where its parts stand; without a text (plain JSON) the places are paths only."""

    file: str
    document: Any = None
    text: str | None = None
    findings: Findings = field(default_factory=Findings)
    values: dict[Path, Mark] = field(default_factory=dict)
    keys: dict[Path, Mark] = field(default_factory=dict)

    def problem(self, finding: Finding) -> Problem:
        line, column = self._place(finding)
        lines = self.text.splitlines() if self.text is not None else []
        return Problem(
            file=self.file,
            line=line,
            column=column,
            text=lines[line - 1] if 0 < line <= len(lines) else "",
            message=finding.message,
            fix=self._fix(finding),
            path=written(finding.path),
            severity=finding.severity,
        )

    def _fix(self, finding: Finding) -> str:
        mark = self.values.get(finding.path)
        if self.text is None or not finding.quoted or mark is None:
            return finding.fix
        return finding.fix.replace(f'"{finding.quoted}"', f'"{self.text[mark.start : mark.end]}"')

    def _place(self, finding: Finding) -> tuple[int, int]:
        if self.text is None:
            return 0, 0
        mark = self._mark(finding)
        if not finding.snippet:
            return mark.line + 1, mark.column + 1
        # Quotes, folding and block styles move texts about: look for the snippet where it would be, then anywhere.
        inside = self.text[mark.start : mark.end]
        found = inside.find(finding.snippet, min(finding.offset, len(inside)))
        found = found if found >= 0 else max(0, inside.find(finding.snippet))
        at = mark.start + found
        return self.text.count("\n", 0, at) + 1, at - (self.text.rfind("\n", 0, at) + 1) + 1

    def _mark(self, finding: Finding) -> Mark:
        """The nearest thing that has a place: the word, its value, or what is around it."""
        path = finding.path
        tables = (self.keys, self.values) if finding.on_key else (self.values, self.keys)
        while True:
            for candidate in (path, _short(path)):
                found = [table[candidate] for table in tables if candidate in table]
                if found:
                    # What begins below its word, or is not there at all, is best shown at the word.
                    return found[0] if found[0].line == found[-1].line or finding.snippet else self.keys[candidate]
            if not path:
                return Mark(0, 0, 0, 0)
            path = path[:-1]
            tables = (self.keys, self.values)


def _short(path: Path) -> Path:
    """The same place when `parallel` is written in its short form, a list."""
    return tuple(step for at, step in enumerate(path) if not (step == "tasks" and at and path[at - 1] == "parallel"))
