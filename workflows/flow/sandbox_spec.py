"""The words of a sandbox: what is run there, and within which limits."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints

from .duration import Duration
from .terms import Count, Text, Words

Size = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?(B|KB|MB|GB)$")]


class SandboxLimits(Words):
    """What the code may use; less than the defaults is always granted."""

    time: Duration | None = None
    """Time until it is killed. Default: 30s."""
    cpu: Annotated[float, Field(gt=0, le=1_024)] | None = None
    """Processors. Default: 1."""
    memory: Size | None = None
    """Memory, as in `256MB`, the default."""
    pids: Count | None = None
    """Processes and threads. Default: 64."""
    disk: Size | None = None
    """Disk space, as in `64MB`."""
    output: Size | None = None
    """Output that is kept. Default: 1MB."""


class SandboxSpec(Words):
    language: Literal["python", "shell", "node"] | None = None
    """The language of `code`; chooses the image."""
    image: Text | None = None
    """The image to run in, instead of `language`."""
    code: Text | None = None
    """Source code to run."""
    run: Text | tuple[Text, ...] | None = None
    """A command line, or the list of its words; instead of `code`."""
    files: dict[str, JsonValue] = Field(default={})
    """Files put into the working directory: path → content."""
    collect: tuple[Text, ...] = ()
    """Patterns of the files that are part of the output."""
    env: dict[str, str | int | float | bool] = Field(default={})
    """Environment variables."""
    stdin: str | None = None
    """What the program reads from its standard input."""
    limits: SandboxLimits | None = None
    """Time, memory and the like."""
    net: Literal["none"] | tuple[Text, ...] = "none"
    """Hosts that may be reached, as in `[pypi.org:443]`; or `none`."""
    isolation: Literal["process", "container", "gvisor"] | None = None
    """The weakest isolation that will do; when the machine cannot give it, the run is refused."""
