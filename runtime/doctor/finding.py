"""What a check found. A warning costs a feature, a failure keeps the stack from working."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    name: str
    level: Literal["ok", "warning", "failure"]
    found: str
    remedy: str | None = None


def ok(name: str, found: str) -> Finding:
    return Finding(name, "ok", found)


def warning(name: str, found: str, remedy: str) -> Finding:
    return Finding(name, "warning", found, remedy)


def failure(name: str, found: str, remedy: str) -> Finding:
    return Finding(name, "failure", found, remedy)
