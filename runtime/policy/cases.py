"""Cases of policy: files of questions, each with the grants at the time and the verdict that is expected.

- case: a granted host may be reached
  grants: [{principal: "*", actions: ["net.connect:*.example.org:443"]}]
  ask: {chain: [user:ada], tool: http.get, permissions: ["net.connect:www.example.org:443"]}
  expect: allow
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ...activities.tools.manifest import Danger, Permission
from ...activities.tools.policy import Decision, Question, Verdict
from ...actors.errors import Rejected
from ...memory.grants import Grant
from .policy import FixedGrants, Policy
from .rules import SHIPPED, Rules

SHIPPED_CASES = SHIPPED / "tests"
NOW = 1_800_000_000.0  # seconds since the epoch at which every case stands


class _Words(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Given(_Words):
    principal: str
    verdict: Literal["allow", "approve", "deny"] = "allow"
    actions: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    role: str | None = None
    tenant: str = "default"
    expires_at: datetime | None = None


class Asked(_Words):
    chain: tuple[str, ...]
    action: Any = "tool.call"
    tenant: str = "default"
    tool: str = ""
    version: str = "1.0.0"
    newest: str = "1.0.0"
    danger: Danger = "none"
    permissions: tuple[str, ...] = ()
    arguments: dict[str, Any] = {}
    asked_by: tuple[str, ...] = ()

    def question(self) -> Question:
        needed = [permission.partition(":") for permission in self.permissions]
        plain = self.model_dump(exclude={"permissions"})
        permissions = tuple(Permission.model_validate({"action": action, "on": on or "*"}) for action, _, on in needed)
        return Question(**plain, run=None, permissions=permissions)


class Case(_Words):
    case: str
    """What is expected, as a sentence."""
    grants: tuple[Given, ...] = ()
    owner: str | None = None
    ask: Asked
    expect: Verdict
    because: tuple[str, ...] = ()
    """What the reasons must contain."""


_CASES = TypeAdapter(tuple[Case, ...])


def read(path: Path) -> Sequence[Case]:
    try:
        return _CASES.validate_python(YAML(typ="safe").load(path.read_text()))
    except (OSError, YAMLError) as error:
        raise Rejected(f"{path} cannot be read as YAML: {str(error).splitlines()[0]}.") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Rejected(f"{path}: {where}: {first['msg']}; write it as in docs/permissions.md.") from None


def files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.glob("*.yaml")) if path.is_dir() else [path]


async def failure(case: Case, rules: Rules) -> str | None:
    """None: it is as expected."""
    grants = [Grant(**given.model_dump(), id=number) for number, given in enumerate(case.grants, 1)]
    if case.owner is not None:
        rules = replace(rules, facts={**rules.facts, "owners": [f"user:{case.owner}"]})
    decision = await Policy(rules, FixedGrants(grants), clock=lambda: NOW).decide(case.ask.question())
    return _difference(case, decision)


def _difference(case: Case, decision: Decision) -> str | None:
    said = " ".join(decision.reasons)
    if decision.verdict != case.expect:
        return f"{case.expect} was expected, it is {decision.verdict}. {said}".strip()
    missing = [text for text in case.because if text not in said]
    return f"the reasons do not say {missing[0]!r}: {said or 'nothing'}" if missing else None
