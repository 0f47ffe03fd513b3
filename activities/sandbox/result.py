"""How a run in a sandbox ended. All of it was written by untrusted code or near it: nothing here may be believed."""

import base64
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from .spec import Isolation

Ended = Literal["exit", "signal", "timeout", "memory", "output", "policy", "cancelled"]


class Stream(BaseModel):
    model_config = ConfigDict(frozen=True)

    text: str = Field(description="the beginning of what was written; bytes that are no UTF-8 are replaced")
    size: int = Field(description="bytes written altogether")
    kept: int = Field(description="bytes that `text` stands for; the rest was thrown away")

    @property
    def is_cut(self) -> bool:
        return self.kept < self.size


class ResultFile(BaseModel):
    model_config = ConfigDict(frozen=True)

    path: str
    size: int
    sha256: str
    text: str | None = Field(default=None, description="the content, where it is UTF-8 and not kept aside")
    base64: str | None = Field(default=None, description="the content, where it is not")

    @property
    def is_aside(self) -> bool:
        """Large ones of a run on record are kept apart, by hash: `aside.whole` brings them."""
        return self.text is None and self.base64 is None

    @property
    def content(self) -> bytes | None:
        if self.text is not None:
            return self.text.encode()
        return base64.b64decode(self.base64) if self.base64 is not None else None


class SeenConnection(BaseModel):
    """One that the code made or tried to make."""

    model_config = ConfigDict(frozen=True)

    host: str
    port: int
    address: str | None = Field(description="that was dialled")
    sent: int
    received: int
    seconds: float
    allowed: bool
    reason: str = Field(description="why it was refused, cut or failed")


class SandboxResult(BaseModel):
    model_config = ConfigDict(frozen=True)

    ended: Ended = Field(description="why: by itself, by a signal, or because a limit was reached")
    exit_code: int | None = Field(description="None when it did not end by itself")
    signal: str | None = Field(default=None, description="as in SIGSEGV")
    reason: str = Field(default="", description="one sentence when it did not end by itself or was refused something")
    stdout: Stream
    stderr: Stream
    files: tuple[ResultFile, ...] = ()
    connections: tuple[SeenConnection, ...] = Field(default=(), description="the first hundred")
    seconds: float
    cpu_seconds: float | None = None
    peak_memory: int | None = Field(default=None, description="bytes, of all its processes together where known")
    backend: str
    isolation: Isolation
    image: str | None = Field(default=None, description="by digest")
    key: str

    @property
    def is_success(self) -> bool:
        return self.ended == "exit" and self.exit_code == 0
