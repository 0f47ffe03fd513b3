"""The rules of policy: Rego files and the data that they go by, ours and those of the setting `policy.dir`.

Own rules stand in the package `resprout.own` and can only make answers stricter; own data (`data.json`) may bring
roles, or change ours.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...actors.errors import ConfigError

SHIPPED = Path(__file__).parents[2] / "deploy" / "policy"
OWN_PACKAGE = "resprout.own"


@dataclass(frozen=True)
class Rules:
    modules: dict[str, str]  # where from → Rego
    facts: dict[str, Any]  # what the rules find as data.resprout.facts
    own: bool  # there are own rules: they may go by anything in the question

    @property
    def digest(self) -> str:
        text = json.dumps([self.modules, self.facts], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def roles(self) -> dict[str, dict[str, Any]]:
        roles: dict[str, dict[str, Any]] = self.facts["roles"]
        return roles


def load(own: Path | None = None, owner: str | None = None) -> Rules:
    """`owner` is the user, as in `ada`, who has the role of that name."""
    modules = {path.name: path.read_text() for path in sorted(SHIPPED.glob("*.rego"))}
    facts = _facts(SHIPPED / "data.json")
    if own is not None:
        if not own.is_dir():
            raise ConfigError(f"`policy.dir` names {own}, which is no directory.")
        modules |= {str(path): _own_module(path) for path in sorted(own.glob("*.rego"))}
        if (own / "data.json").exists():
            brought = _facts(own / "data.json")
            facts = {**facts, **brought, "roles": {**facts["roles"], **brought.get("roles", {})}}
    if owner is not None:
        facts["owners"] = [f"user:{owner}"]
    return Rules(modules, facts, own=own is not None)


def _own_module(path: Path) -> str:
    text = path.read_text()
    package = next((line for line in text.splitlines() if line.startswith("package ")), "")
    if package.removeprefix("package ").strip() != OWN_PACKAGE:
        raise ConfigError(f"{path} must be of `package {OWN_PACKAGE}`: own rules only add to `deny` and `approve`.")
    return text


def _facts(path: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads(path.read_text())["resprout"]["facts"]
    except (ValueError, KeyError, TypeError):
        raise ConfigError(f'{path} is not JSON of the form {{"resprout": {{"facts": {{…}}}}}}.') from None
    return facts
