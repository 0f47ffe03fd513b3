"""Tools that get something by HTTP: `http.get`, `http.head`, `http.json`, `http.download`.

Each request is made by a program in a sandbox whose gate lets it reach the URL's host and port only.
"""

import base64
import hashlib
import json
import re
from datetime import timedelta
from functools import partial
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, JsonValue

from ..manifest import Permission
from ..place import FilePath, writes
from ..tool import ToolCall, ToolError, tool
from ..web import MOST_BYTES, Fetched, Request, Seconds, Url, connects, fetch, with_params
from ..workspace import Workspace

LONGEST = timedelta(seconds=90)
NONE: dict[str, str] = {}
MOST_SHOWN = 500_000  # bytes of a body in a result
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_|~-]{1,100}")
_OURS = frozenset(
    {
        "idempotency-key",
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
        "proxy-authorization",
        "te",
    }
)


def _headers(given: dict[str, str]) -> dict[str, str]:
    for name, value in given.items():
        if not _NAME.fullmatch(name) or name.lower() in _OURS:
            raise ValueError(f"the header {name[:60]!r} cannot be set: leave it out.")
        if not value.isprintable() or not value.isascii() or len(value) > 8_000:
            raise ValueError(f"the value of the header {name} must be printable ASCII on one line.")
    return given


Headers = Annotated[
    dict[str, str],
    AfterValidator(_headers),
    Field(description="Headers of the request; a value may be `secret://name`.", max_length=50),
]
Params = Annotated[dict[str, str], Field(description="Parameters that are added to the URL's query.", max_length=100)]
Most = Annotated[int, Field(description="Bytes of the body that are shown; the rest is cut.", ge=1, le=MOST_SHOWN)]


class Answer(BaseModel):
    status: int
    url: str = Field(description="where redirects on the same host led")
    headers: dict[str, str] = Field(description="names in lower case")
    text: str | None = Field(description="the body, where it is text")
    base64: str | None = Field(default=None, description="the body, where it is not")
    size: int = Field(description="bytes of the body that came")
    is_cut: bool = Field(description="whether there is more than is shown")


class Head(BaseModel):
    status: int
    url: str
    headers: dict[str, str]


class Downloaded(BaseModel):
    path: str
    size: int
    sha256: str
    type: str
    url: str


def connects_to(arguments: Any) -> tuple[Permission, ...]:
    return (connects(arguments.url),)


def _connects_and_writes(arguments: Any) -> tuple[Permission, ...]:
    return connects(arguments.url), writes(arguments.path)


reaches = partial(tool, version="1.0.0", permissions=("net.connect",), needs=connects_to, timeout=LONGEST)
gets = partial(reaches, contract="safe-to-retry", danger="low")


@gets("http.get", tags=("web", "download", "page"))
async def get(
    call: ToolCall,
    url: Url,
    params: Params = NONE,
    headers: Headers = NONE,
    seconds: Seconds = 30,
    most: Most = 200_000,
) -> Answer:
    """Gets a URL and gives status, headers and body, whatever the status is. Redirects are followed on the same host;
    one to another host is an error that names it."""
    return answer_of(await fetch(call, Request("GET", with_params(url, params), headers, seconds=seconds, most=most)))


@gets("http.head", tags=("web",))
async def head(call: ToolCall, url: Url, headers: Headers = NONE, seconds: Seconds = 30) -> Head:
    """Asks for the status and headers of a URL, without its body."""
    fetched = await fetch(call, Request("HEAD", url, headers, seconds=seconds))
    return Head(status=fetched.status, url=fetched.url, headers=fetched.headers)


@gets("http.json", tags=("web", "api"))
async def get_json(
    call: ToolCall, url: Url, params: Params = NONE, headers: Headers = NONE, seconds: Seconds = 30
) -> JsonValue:
    """Gets a URL and reads its body as JSON. Any status but 2xx is an error."""
    wanted = Request("GET", with_params(url, params), {"Accept": "application/json", **headers}, seconds=seconds)
    fetched = (await fetch(call, wanted)).expect_success()
    if fetched.is_cut:
        raise ToolError(f"{url} answers with more than {wanted.most:,} bytes: use http.download, and read the file.")
    try:
        found: JsonValue = json.loads(fetched.body)
    except ValueError as error:
        raise ToolError(f"{url} answers with {fetched.type or 'something'} that is no JSON: {error}.") from None
    return found


@tool(
    "http.download",
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("net.connect", "files.write"),
    needs=_connects_and_writes,
    danger="low",
    timeout=LONGEST,
    tags=("web", "files"),
)
async def download(
    call: ToolCall, url: Url, path: FilePath, headers: Headers = NONE, seconds: Seconds = 60
) -> Downloaded:
    """Gets a URL into a file of the workspace, up to 15 MB. Any status but 2xx is an error, and writes nothing."""
    fetched = await fetch(call, Request("GET", url, headers, seconds=seconds, most=MOST_BYTES))
    if fetched.expect_success().is_cut:
        raise ToolError(
            f"{url} is larger than the {MOST_BYTES >> 20} MB that are taken: get it in parts (header Range)."
        )
    Workspace(call.workspace).write(path, fetched.body)
    digest = hashlib.sha256(fetched.body).hexdigest()
    return Downloaded(path=path, size=len(fetched.body), sha256=digest, type=fetched.type, url=fetched.url)


def answer_of(fetched: Fetched) -> Answer:
    text, encoded = _shown(fetched)
    return Answer(
        status=fetched.status,
        url=fetched.url,
        headers=fetched.headers,
        text=text,
        base64=encoded,
        size=len(fetched.body),
        is_cut=fetched.is_cut,
    )


def _shown(fetched: Fetched) -> tuple[str | None, str | None]:
    is_text = fetched.type.startswith("text/") or fetched.type.endswith(("json", "xml", "javascript"))
    if is_text and b"\0" not in fetched.body:
        return fetched.text, None
    try:
        return fetched.body.decode(), None
    except UnicodeDecodeError:
        return None, base64.b64encode(fetched.body).decode()


TOOLS = (get, head, get_json, download)
