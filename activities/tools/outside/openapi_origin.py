"""What is kept of an imported OpenAPI description: its operations, each with all that is needed to call it."""

from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from ....actors.words import Words
from ..manifest import Permission, ToolManifest
from ..secrets import references_in
from ..web import reached

Place = Literal["path", "query", "header", "cookie"]
Style = Literal["simple", "form", "spaceDelimited", "pipeDelimited", "deepObject", "label", "matrix", "json"]


class Parameter(Words):
    name: str
    """As the API calls it."""
    argument: str
    """As the tool calls it."""
    place: Place
    style: Style = "simple"
    explode: bool = False


class Operation(Words):
    manifest: ToolManifest
    method: Literal["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH", "OPTIONS"]
    path: str
    parameters: tuple[Parameter, ...] = ()
    media: str | None = None
    """The media type of the body; none: it has none."""
    key_header: str | None = None
    """The header by which the API knows a call that comes again."""


class OpenApiOrigin(Words):
    server: str
    """The URL that paths are appended to."""
    headers: dict[str, str] = Field(default={})
    """Sent with each request; values may be `secret://name`."""
    query: dict[str, str] = Field(default={})
    """Part of each request's URL; values may be `secret://name`."""
    tools: tuple[Operation, ...] = ()

    @property
    def permissions(self) -> tuple[Permission, ...]:
        way = Permission(action="net.connect", on=reached(self.server))
        return (way, *references_in(self.given))

    @property
    def given(self) -> dict[str, Any]:
        return {"headers": self.headers, "query": self.query}

    @property
    def where(self) -> str:
        return urlsplit(self.server).netloc
