"""`*.role.yaml`: what an agent is told of itself, and the model and tools that it has.

The invariant: a value of a variable is put into the prompt as it is and never looked through again, so that nothing
that comes from outside can ask for another variable.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, JsonValue, ValidationError

from ..actors.errors import Rejected
from ..actors.words import Words
from .flow.problem import Findings, Problem
from .flow.source import Source
from .flow.terms import Count, InputName, Label, Name, Text
from .flow.values import as_text
from .flow.vocabulary import did_you_mean
from .flow.wording import findings_of
from .flow.yaml_text import from_yaml

ENDING = ".role.yaml"
_HOLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")


class UnknownVariable(Rejected):
    """The role has no variable of this name."""


class Variable(Words):
    description: Text
    """What it changes, for who chooses it."""
    default: str | int | float | bool
    """Its value when none is given."""


class RoleFile(Words):
    role: Name
    """What it is called by, as in `researcher`. The file is called so, too: `researcher.role.yaml`."""
    version: Label = "1.0"
    """Its version, a text, as in `"1.2"`."""
    description: Text
    """What such an agent is good for, for a person or a model that chooses among roles."""
    variables: dict[InputName, Variable] = Field(default={})
    """What of it may be chosen: name → description and default."""
    system: Text
    """What the agent is told of itself; `{{name}}` stands for the value of a variable."""
    model: Text | None = None
    """The language model, as in `local` or `openai/gpt-5`. Default: that of the worker."""
    tools: tuple[Text, ...] = ()
    """The tools that it may use, as in `text.count`, `text.*` or `hash.digest@1`."""
    max_tokens: Count | None = None
    """How much it may say at once, in tokens."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """How freely the model chooses its words, from 0 to 2. Default: the model's own."""
    max_iterations: Count | None = None
    """How often it may decide what is next, before it stops unfinished. Default: 30."""
    labels: dict[str, str] = Field(default={})
    """Labels shown in lists."""

    def filled(self, values: Mapping[str, JsonValue]) -> "RoleFile":
        """With the variables in their places; raises UnknownVariable."""
        for name in values:
            if name not in self.variables:
                known = f"its variables are {', '.join(self.variables)}" if self.variables else "it has none"
                hint = did_you_mean(name, self.variables, known)
                raise UnknownVariable(f"the role `{self.role}` has no variable `{name}`: {hint}")
        chosen = {name: values.get(name, one.default) for name, one in self.variables.items()}

        def value(hole: re.Match[str]) -> str:
            return as_text(chosen[hole[1]]) if hole[1] in chosen else hole[0]

        return self.model_copy(update={"system": _HOLE.sub(value, self.system)})


@dataclass(frozen=True)
class RoleReading:
    role: RoleFile | None
    """The role; None when there is an error."""
    problems: tuple[Problem, ...]


def read_role(text: str, file: str) -> RoleReading:
    source = from_yaml(text, file)
    role = _checked(source) if not source.findings else None
    problems = sorted((source.problem(one) for one in source.findings), key=lambda one: (one.line, one.column))
    wrong = any(problem.severity == "error" for problem in problems)
    return RoleReading(None if wrong else role, tuple(problems))


def _checked(source: Source) -> RoleFile | None:
    if not isinstance(source.document, dict):
        source.findings.add((), "a role file is a mapping", "begin with `resprout role new NAME`")
        return None
    try:
        role = RoleFile.model_validate(source.document)
    except ValidationError as error:
        source.findings += findings_of(error, source.document, RoleFile)
        return None
    _check_holes(role, source.findings)
    _check_name(role, source)
    return role


def _check_holes(role: RoleFile, findings: Findings) -> None:
    used = set()
    for name, snippet in holes(role.system):
        used.add(name)
        if name not in role.variables:
            fix = did_you_mean(name, role.variables, "declare it under `variables:`")
            findings.add(("system",), f"there is no variable `{name}`", fix, snippet=snippet)
    for name in role.variables:
        if name not in used:
            message = f"the variable `{name}` is declared and never used"
            findings.on_word(("variables", name), message, f"write {{{{{name}}}}} in `system`, or take it out")


def holes(system: str) -> Iterator[tuple[str, str]]:
    """The variables that a prompt names, and how it writes them."""
    for found in _HOLE.finditer(system):
        yield found[1], found[0]


def _check_name(role: RoleFile, source: Source) -> None:
    """Roles are found by the names of their files."""
    name = source.file.rpartition("/")[2]
    if name.endswith(ENDING) and name != f"{role.role}{ENDING}":
        wanted: Any = name.removesuffix(ENDING)
        message = f"the file {name} holds the role `{role.role}`"
        source.findings.add(("role",), message, f"write role: {wanted}, or rename it to {role.role}{ENDING}")
