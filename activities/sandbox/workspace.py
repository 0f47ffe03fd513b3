"""A workspace is a sandbox that stays: a working directory and processes that one command leaves to the next.

Its spec says what it is made of, and what may be done there. It never changes: a name stands for one spec.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from ...actors.duration import Duration
from ...actors.errors import Broken, NotFound, Rejected, Unavailable
from ...actors.words import Words
from .spec import ImageName, Isolation, Language, SandboxLimits, SandboxSpec, Text, leads_out

State = Literal["making", "running", "paused", "lost", "gone"]
Variables = dict[str, str | int | float | bool]

WORK = "/work"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class WorkspaceGone(NotFound):
    """It was removed, or its time was over."""


class WorkspaceLost(Rejected):
    """It is on record, and its container is not there any more or has ended: what was in it is lost."""


class WorkspacePaused(Unavailable):
    """Nothing can be done in it before it is resumed."""


class NoRoom(Unavailable):
    """There are as many workspaces as may be."""


class LeftRunning(Broken):
    """Nobody waits for this command: it was begun, and goes on."""


class WorkspaceBusy(Unavailable):
    """As many commands run in it as may."""


class WorkspaceSpec(Words):
    language: Language | None = None
    """Chooses the image; and the language of `code`."""
    image: ImageName | None = None
    """The image, instead of `language`."""
    env: Variables = Field(default={})
    """Environment variables of each command."""
    secrets: dict[str, Text] = Field(default={})
    """Environment variables of each command, from secrets."""
    limits: SandboxLimits = SandboxLimits()
    """`time` and `output` are of one command, unless it says otherwise; the others are of all together."""
    net: Literal["none"] | tuple[Text, ...] = "none"
    """Hosts that may be reached."""
    isolation: Isolation | None = None
    """`container` or `gvisor`: a process cannot be kept."""
    idle: Duration | None = None
    """Unused for so long, it is removed. Default: the setting `sandbox.idle_seconds`."""
    life: Duration | None = None
    """After so long, it is removed in any case. Default: the setting `sandbox.life_seconds`, which is the most."""

    def command(self, words: Mapping[str, Any]) -> SandboxSpec:
        """What a command in it is as a run: `run` or `code`, and what it says differently."""
        given = dict(words)
        limits = {"time": given.pop("timeout", None), "output": given.pop("output", None)}
        said = {word: value for word, value in limits.items() if value is not None}
        plain = self.model_dump(mode="json", include={"language", "image", "net", "secrets", "isolation"})
        if self.image is not None and given.get("code") is not None:
            raise Rejected("`code` needs a workspace with a `language`: write the command behind --.")
        return SandboxSpec.model_validate(
            {
                **plain,
                **given,
                "secrets": {**self.secrets, **given.get("secrets", {})},
                "env": {**self.env, **given.get("env", {})},
                "limits": {**self.limits.model_dump(mode="json"), **said},
            }
        )

    @property
    def hash(self) -> bytes:
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).digest()


@dataclass(frozen=True)
class Workspace:
    """What is known of one."""

    id: UUID
    name: str
    tenant: str
    owner: str
    spec: WorkspaceSpec
    isolation: Isolation
    backend: str
    state: State
    made_at: datetime
    used_at: datetime
    idle: timedelta
    ends_at: datetime

    @property
    def goes_at(self) -> datetime:
        """When it is removed, if nobody uses it before."""
        return self.ends_at if self.state == "paused" else min(self.ends_at, self.used_at + self.idle)

    def key(self, command: str) -> str:
        """Under which a command in it is on record."""
        return f"workspace/{self.id}/{command}"


def check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Rejected(
            f"`{name[:60]}` is no name of a workspace: write 1 to 100 letters, digits, `.`, `_` or `-`, beginning with "
            "a letter or digit."
        )
    return name


def inner_path(path: str) -> str:
    """Relative to the working directory. Raises Rejected for what leads out of it."""
    relative = path.removeprefix(WORK).lstrip("/") if path == WORK or path.startswith(WORK + "/") else path
    relative = "/".join(part for part in relative.split("/") if part not in ("", ".")) if relative[:1] != "/" else path
    if relative and (leads_out(relative) or "\n" in relative):
        raise Rejected(f"`{path[:60]}` leads out of {WORK}: write a path beneath it, without `..`.")
    return relative or "."
