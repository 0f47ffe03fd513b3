"""What is wrong in a flow file: where, what, and how to mend it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Path = tuple[str | int, ...]
Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding with its place in a file; `line` and `column` count from 1 and are 0 where a document has no lines."""

    file: str
    line: int
    column: int
    text: str
    """The offending line."""
    message: str
    fix: str
    path: str = ""
    """The place in the document, as in `tasks[2].parallel.tasks[0].ask`."""
    severity: Severity = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else f"{self.file}: {self.path or 'the document'}"
        said = [f"{place}: {'warning: ' if self.severity == 'warning' else ''}{self.message}"]
        if self.line and self.text.strip():
            text = self.text.expandtabs(1)
            start = max(0, self.column - 80)
            said += [f"    {text[start : start + 120]}", f"    {' ' * (self.column - 1 - start)}^"]
        return "\n".join([*said, f"    fix: {self.fix}"])

    def as_json(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "line": self.line or None,
            "column": self.column or None,
            "path": self.path,
            "severity": self.severity,
            "message": self.message,
            "text": self.text,
            "fix": self.fix,
        }


class Finding(NamedTuple):
    """What a check found, placed in the document and not yet in a file."""

    path: Path
    message: str
    fix: str
    on_key: bool = False
    """The word itself is at fault, not its value."""
    snippet: str = ""
    """The part of the value at fault."""
    offset: int = 0
    """Where in the value the snippet begins."""
    quoted: str = ""
    """What the fix has in quotes for the value; a file may write it otherwise, as in `1.10`."""
    severity: Severity = "error"


class Findings(list[Finding]):
    """Collects what the checks find."""

    def add(self, path: Path, message: str, fix: str, **more: Any) -> None:
        self.append(Finding(path, message, fix, **more))

    def on_word(self, path: Path, message: str, fix: str) -> None:
        self.append(Finding(path, message, fix, on_key=True))


def written(path: Iterable[str | int]) -> str:
    """A path as people write it: `tasks[2].loop.do[0]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
