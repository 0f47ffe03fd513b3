"""What is kept of an imported MCP server: how it is reached, and each of its tools as it was when it was imported.

The invariant: nothing that the server says later changes what was imported. A tool whose description or schema is
another one now than its pin says is not called, until somebody has looked at it and imported it anew.
"""

import hashlib
import json
import shlex
from typing import Annotated, Any
from urllib.parse import urlsplit

import mcp_types
from pydantic import Field, StringConstraints, model_validator

from ....actors.words import Words
from ..manifest import Permission, ToolManifest
from ..secrets import references_in
from ..web import reached

Text = Annotated[str, StringConstraints(min_length=1, max_length=4_000)]

SHOWN = 200  # characters of a command


class PinnedTool(Words):
    theirs: Text
    """What the server calls it."""
    pin: str
    """Of all that the server said of it."""
    manifest: ToolManifest
    structured: dict[str, Any] | None = None
    """JSON Schema of the structured part of its results."""


class McpOrigin(Words):
    command: Annotated[tuple[Text, ...], Field(max_length=200)] = ()
    """The program that is the server, with its arguments; or `url`."""
    url: Text | None = None
    """Where the server answers streamable HTTP."""
    env: dict[str, str] = Field(default={})
    """More of the program's environment; values may be `secret://name`."""
    headers: dict[str, str] = Field(default={})
    """Sent with each request; values may be `secret://name`."""
    directory: str | None = None
    """Where the program is started."""
    tools: tuple[PinnedTool, ...] = ()

    @model_validator(mode="after")
    def _is_one_of_both(self) -> "McpOrigin":
        if bool(self.command) == bool(self.url):
            raise ValueError("an MCP server has a command or a URL, and not both")
        return self

    @property
    def where(self) -> str:
        """What policy and people know it by. Of a long command the end stands for all of it, as that of a program with
        variables of its own does for those: another command, or another environment, is not what was granted."""
        if self.url is not None:
            return reached(self.url)
        command = shlex.join(self.command)
        if len(command) <= SHOWN and not self.env:
            return command
        digest = hashlib.sha256(json.dumps([self.command, self.env], sort_keys=True).encode()).hexdigest()
        return f"{command[:SHOWN]} sha256:{digest[:32]}"

    def importing(self, name: str) -> str:
        """The command that imports it, for the shell; secrets stand in it by reference."""
        words = ["resprout", "tool", "import", "mcp", name]
        for option, pairs in (("--env", self.env), ("--header", self.headers)):
            words += [word for key, value in pairs.items() for word in (option, f"{key}={value}")]
        words += ["--directory", self.directory] if self.directory is not None else []
        return shlex.join([*words, "--url", self.url] if self.url is not None else [*words, "--", *self.command])

    @property
    def permissions(self) -> tuple[Permission, ...]:
        """What each call needs, whatever it is."""
        way = Permission(action="process.start" if self.url is None else "net.connect", on=self.where)
        return (way, *references_in({**self.env, **self.headers}))


def is_web(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None


def pin_of(tool: mcp_types.Tool) -> str:
    """Of what a person or a model is shown of it, and of what is sent and comes back."""
    words = {"name", "title", "description", "input_schema", "output_schema", "annotations"}
    said = tool.model_dump(mode="json", include=words, exclude_none=True)
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
