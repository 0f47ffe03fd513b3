"""The roles of a process: those that ship, and those in the directory that the setting `roles.dir` names.

A role of one's own takes the place of one that ships under the same name. Files are read when a role is asked for, so a
change counts for every run that begins after it, and for none that has begun.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from ..actors.errors import ConfigError, NotFound, Rejected
from ..workflows.flow import Problem
from ..workflows.flow.vocabulary import did_you_mean
from ..workflows.role_file import ENDING, RoleFile, read_role
from .flow_files import text_of

SHIPPED = Path(__file__).parents[1] / "deploy" / "roles"


class UnknownRole(NotFound):
    """No role has this name."""


class BadRole(Rejected, of_one_text=False):
    """The file of a role has mistakes; `problems` holds them all."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        first = next(problem for problem in self.problems if problem.severity == "error")
        return f"{first.file}:{first.line}:{first.column}: {first.message}: {first.fix}."


@dataclass
class Roles:
    own: Path | None = None
    _read: dict[Path, tuple[str, RoleFile]] = field(default_factory=dict)  # and the text that it was read from

    def __call__(self, name: str, variables: Mapping[str, JsonValue]) -> RoleFile:
        """Filled in; raises UnknownRole, UnknownVariable or BadRole."""
        return self.find(name).filled(variables)

    def find(self, name: str) -> RoleFile:
        files = self.files()
        if name not in files:
            hint = did_you_mean(name, files, "see `resprout role list`.")
            raise UnknownRole(f"there is no role `{name}`: {hint}")
        return self._of(files[name])

    def files(self) -> dict[str, Path]:
        """By name, sorted."""
        found = _in(SHIPPED)
        if self.own is not None:
            if not self.own.is_dir():
                raise ConfigError(f"`roles.dir` names {self.own}, which is no directory: create it, or leave it out.")
            found |= _in(self.own)
        return dict(sorted(found.items()))

    def is_shipped(self, name: str) -> bool:
        return self.files()[name].parent == SHIPPED

    def _of(self, file: Path) -> RoleFile:
        text = text_of(file)
        known = self._read.get(file)
        if known is None or known[0] != text:
            reading = read_role(text, str(file))
            if reading.role is None:
                raise BadRole(reading.problems)
            known = self._read[file] = (text, reading.role)
        return known[1]


def _in(directory: Path) -> dict[str, Path]:
    return {file.name.removesuffix(ENDING): file for file in directory.glob(f"*{ENDING}")}
