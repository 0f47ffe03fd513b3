"""What a tool is apart from its code: what it takes and gives, what it may do to the world, and what a crash means.

A version of a tool is its manifest; the same version never means another one (the registry refuses that).
"""

import hashlib
import json
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from ...actors.duration import Duration
from ...actors.words import Words

NAME = r"[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)+"
VERSION = r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?"

ToolName = Annotated[str, StringConstraints(pattern=f"^{NAME}$", max_length=120)]
ToolVersion = Annotated[str, StringConstraints(pattern=f"^{VERSION}$", max_length=60)]
Schema = dict[str, JsonValue]

# What an ambiguous end means, when who ran it died between the intent and the record of the outcome:
# `safe-to-retry`: do it again, twice is as good as once. `keyed`: do it again with the same idempotency key, by which
# the far side knows it. `at-most-once`: never again by itself; the call is in doubt, and a person is asked.
Contract = Literal["safe-to-retry", "keyed", "at-most-once"]
Danger = Literal["none", "low", "medium", "high"]

# What a call can do to the world. Policy speaks of these, whichever tool does them.
Action = Literal[
    "files.read",  # on: the path; one that is not absolute is beneath the run's own workspace
    "files.write",  # on: the path, as above
    "code.run",  # on: the language or image
    "net.connect",  # on: host:port
    "agents.ask",  # on: kind/key
    "runs.start",  # on: the flow
    "runs.read",  # on: the run
    "runs.control",  # on: the run
    "packages.install",  # on: the package
    "secrets.use",  # on: the secret's name
    "process.start",  # on: the command of a server of tools, outside of any sandbox
]


LONGEST_CALL = timedelta(minutes=55)  # Temporal gives a call up after an hour, and would leave it in doubt


def _call_time(length: timedelta) -> timedelta:
    if not timedelta(0) < length <= LONGEST_CALL:
        raise ValueError("a call may take at most 55m: let it start what takes longer, and look later.")
    return length


CallTime = Annotated[Duration, AfterValidator(_call_time)]


class Permission(BaseModel):
    """One thing that a call does: the action, and what it is done to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Action
    on: str = "*"

    def __str__(self) -> str:
        return f"{self.action}:{self.on}"


class Rate(Words):
    """How often, at most, in one tenant."""

    calls: Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
    per: Duration = timedelta(minutes=1)


class ToolManifest(Words):
    name: ToolName
    """What it is called by, as in `text.count`; the part before the dot is its family."""
    version: ToolVersion
    """Semantic version. A change of the manifest needs another one."""
    description: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
    """What it does, in one or two sentences, for a person or a model that chooses among tools."""
    input: Schema
    """JSON Schema of the arguments: an object."""
    output: Schema = Field(default={})
    """JSON Schema of the result. Empty: anything."""
    permissions: tuple[Action, ...] = ()
    """What its calls may do to the world, at most. Of one call it is known exactly, see `Tool.needs`."""
    danger: Danger = "none"
    """How bad a wrong call can be."""
    contract: Contract = "at-most-once"
    """What an ambiguous end means."""
    timeout: CallTime = timedelta(seconds=30)
    rate: Rate | None = None
    deprecated: str | None = None
    """Why, and what to use instead."""
    tags: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        return self.name.partition(".")[0]

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def digest(self) -> str:
        """Of what must not change within a version: that it is deprecated now, or described better, is no change."""
        fixed = self.model_dump(mode="json", exclude={"description", "deprecated", "tags"})
        return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()
