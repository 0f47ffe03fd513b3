"""What whoever imports tools says of them: which ones, how bad a wrong call can be, what a crash means.

The invariant: what nobody said is the strictest: danger high, at most once. What the other side says of itself is
shown, and counts only when somebody takes its word.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any, get_args

from packaging.version import Version

from ....actors.errors import Rejected
from ..manifest import Contract, Danger, ToolManifest

Known = Mapping[str, Sequence[tuple[str, str]]]  # name → version and digest of those that were registered before
FIRST = "1.0.0"


@dataclass(frozen=True)
class Hint:
    """What the other side says of one tool."""

    contract: Contract
    danger: Danger
    said: str = ""


@dataclass(frozen=True)
class Choices:
    only: tuple[str, ...] = ()  # patterns of our names, without the family; none: all
    contracts: tuple[tuple[str, Contract], ...] = ()  # the last that fits counts
    dangers: tuple[tuple[str, Danger], ...] = ()
    timeout: timedelta = timedelta(seconds=60)
    takes_hints: bool = False

    def wants(self, name: str) -> bool:
        return not self.only or any(fits(pattern, name) for pattern in self.only)

    def settled(self, name: str, hint: Hint) -> dict[str, Any]:
        """The words of the manifest that are up to who imports."""
        contract: Contract = hint.contract if self.takes_hints else "at-most-once"
        danger: Danger = hint.danger if self.takes_hints else "high"
        for pattern, value in self.contracts:
            contract = value if fits(pattern, name) else contract
        for pattern, level in self.dangers:
            danger = level if fits(pattern, name) else danger
        return {"contract": contract, "danger": danger, "timeout": self.timeout}

    def refuse_unused(self, names: Iterable[str]) -> None:
        """A pattern that fits nothing is a mistake of who wrote it."""
        known = list(names)
        written = [*self.only, *(one for one, _ in self.contracts), *(one for one, _ in self.dangers)]
        for pattern in written:
            if not any(fits(pattern, name) for name in known):
                some = ", ".join(name.partition(".")[2] for name in known[:8])
                raise Rejected(f"no tool there fits {pattern!r}; there are {some or 'none'}.")


def fits(pattern: str, name: str) -> bool:
    """With or without the family."""
    return fnmatchcase(name, pattern) or fnmatchcase(name.partition(".")[2], pattern)


def contracts_of(written: Iterable[str]) -> tuple[tuple[str, Contract], ...]:
    return tuple((pattern, _one_of(value, Contract)) for pattern, value in map(_pair, written))


def dangers_of(written: Iterable[str]) -> tuple[tuple[str, Danger], ...]:
    return tuple((pattern, _one_of(value, Danger)) for pattern, value in map(_pair, written))


def _pair(written: str) -> tuple[str, str]:
    """`low` is `*=low`."""
    pattern, sign, value = written.rpartition("=")
    return (pattern, value) if sign else ("*", value)


def _one_of(value: str, choice: Any) -> Any:
    if value not in get_args(choice):
        raise Rejected(f"{value!r} is none of {', '.join(get_args(choice))}.")
    return value


def versioned(manifest: ToolManifest, known: Known) -> ToolManifest:
    """In the version in which it was registered as it is; else in the next one."""
    before = known.get(manifest.name, ())
    for version, digest in before:
        same = manifest.model_copy(update={"version": version})
        if same.digest == digest:
            return same
    newest = max((Version(version).major for version, _ in before), default=0)
    return manifest.model_copy(update={"version": f"{newest + 1}.0.0"})
