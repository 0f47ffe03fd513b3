"""The class arguments of an agent besides its kind.

The invariant: what cannot be is refused when the class is defined, not when its first message comes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any

from .capabilities import Capability
from .errors import BadClass
from .supervision import Supervision
from .turn import LARGEST_BODY


@dataclass(frozen=True)
class DedicatedHosts:
    """Hosts that only this kind lives on, each a Ray actor with these resources."""

    count: int = 1
    cpus: float = 0
    gpus: float = 0
    memory_bytes: int = 0
    resources: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.count < 1:
            raise BadClass(f"DedicatedHosts(count={self.count}): a kind with hosts of its own has at least one.")
        if min(self.cpus, self.gpus, self.memory_bytes, *self.resources.values()) < 0:
            raise BadClass(f"{self}: no resource can be less than 0.")


@dataclass(frozen=True)
class Bounds:
    """Of one agent's mailbox and state."""

    rows: int = 10_000
    bytes: int = 64_000_000
    state_bytes: int = LARGEST_BODY

    def __post_init__(self) -> None:
        if min(self.rows, self.bytes, self.state_bytes) < 1:
            raise BadClass(f"{self}: a bound is at least 1.")


@dataclass(frozen=True)
class Options:
    version: int = 1  # of the state; raise it together with `upcast`
    ephemeral: bool = False  # state and mailbox in memory only: fast, and gone with the host
    supervision: Supervision = field(default_factory=Supervision)
    hosts: DedicatedHosts | None = None
    bounds: Bounds = Bounds()
    turn_timeout: timedelta = timedelta(minutes=10)
    capabilities: tuple[Capability, ...] = ()
    models: tuple[str, ...] = ()
    framework: str = "resprout"
    labels: Mapping[str, str] = field(default_factory=dict)


def options_of(name: str, given: Mapping[str, Any]) -> Options:
    known = [field.name for field in fields(Options)]
    for argument in given:
        if argument not in known:
            raise BadClass(f"{name}: agent classes take no argument {argument!r}. They take kind, {', '.join(known)}.")
    return Options(**given)
