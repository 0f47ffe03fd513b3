"""Tools that speak HTTP: `http.get`, `head`, `json`, `download`, `put`, `delete`, `post`, `patch`, `post_keyed`.

Each request is made by a program in a sandbox whose gate lets it reach the URL's host and port only. What a crash
means: `get`, `head`, `json` and `download` are repeated. `put` and `delete` are repeated with the same
`Idempotency-Key`; by the rules of HTTP they may be. `post` and `patch` happen at most once, because most servers do
not look at that header. Of a server that is known to honour it, ask by `http.post_keyed`.
"""

import base64
import hashlib
import json
import re
from datetime import timedelta
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
Body = Annotated[
    JsonValue, Field(description="Body: a text is sent as it is, anything else as JSON. `null` sends none.")
]
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


def _connects(arguments: Any) -> tuple[Permission, ...]:
    return (connects(arguments.url),)


def _connects_and_writes(arguments: Any) -> tuple[Permission, ...]:
    return connects(arguments.url), writes(arguments.path)


@tool(
    "http.get",
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("net.connect",),
    needs=_connects,
    danger="low",
    timeout=LONGEST,
    tags=("web", "download", "page"),
)
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
    return _answer(await fetch(call, Request("GET", with_params(url, params), headers, seconds=seconds, most=most)))


@tool(
    "http.head",
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("net.connect",),
    needs=_connects,
    danger="low",
    timeout=LONGEST,
    tags=("web",),
)
async def head(call: ToolCall, url: Url, headers: Headers = NONE, seconds: Seconds = 30) -> Head:
    """Asks for the status and headers of a URL, without its body."""
    fetched = await fetch(call, Request("HEAD", url, headers, seconds=seconds))
    return Head(status=fetched.status, url=fetched.url, headers=fetched.headers)


@tool(
    "http.json",
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("net.connect",),
    needs=_connects,
    danger="low",
    timeout=LONGEST,
    tags=("web", "api"),
)
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


@tool(
    "http.put",
    version="1.0.0",
    contract="keyed",
    permissions=("net.connect",),
    needs=_connects,
    danger="medium",
    timeout=LONGEST,
    tags=("web", "api"),
)
async def put(call: ToolCall, url: Url, body: Body = None, headers: Headers = NONE, seconds: Seconds = 30) -> Answer:
    """Puts a body at a URL, in place of what is there."""
    return await _send(call, "PUT", url, body, headers, seconds)


@tool(
    "http.delete",
    version="1.0.0",
    contract="keyed",
    permissions=("net.connect",),
    needs=_connects,
    danger="high",
    timeout=LONGEST,
    tags=("web", "api"),
)
async def delete(call: ToolCall, url: Url, headers: Headers = NONE, seconds: Seconds = 30) -> Answer:
    """Deletes what is at a URL."""
    return await _send(call, "DELETE", url, None, headers, seconds)


@tool(
    "http.post",
    version="1.0.0",
    contract="at-most-once",
    permissions=("net.connect",),
    needs=_connects,
    danger="medium",
    timeout=LONGEST,
    tags=("web", "api"),
)
async def post(call: ToolCall, url: Url, body: Body = None, headers: Headers = NONE, seconds: Seconds = 30) -> Answer:
    """Posts a body to a URL, at most once. Where no answer comes, the call is in doubt."""
    return await _send(call, "POST", url, body, headers, seconds)


@tool(
    "http.patch",
    version="1.0.0",
    contract="at-most-once",
    permissions=("net.connect",),
    needs=_connects,
    danger="medium",
    timeout=LONGEST,
    tags=("web", "api"),
)
async def patch(call: ToolCall, url: Url, body: Body = None, headers: Headers = NONE, seconds: Seconds = 30) -> Answer:
    """Changes a part of what is at a URL, at most once. Where no answer comes, the call is in doubt."""
    return await _send(call, "PATCH", url, body, headers, seconds)


@tool(
    "http.post_keyed",
    version="1.0.0",
    contract="keyed",
    permissions=("net.connect",),
    needs=_connects,
    danger="medium",
    timeout=LONGEST,
    tags=("web", "api"),
)
async def post_keyed(
    call: ToolCall, url: Url, body: Body = None, headers: Headers = NONE, seconds: Seconds = 30
) -> Answer:
    """Posts a body to a server that is known to honour the header Idempotency-Key: after a crash, or when no answer
    came, the same is sent again with the same key."""
    return await _send(call, "POST", url, body, headers, seconds, is_known_by_key=True)


async def _send(
    call: ToolCall,
    method: str,
    url: str,
    body: JsonValue,
    headers: dict[str, str],
    seconds: int,
    *,
    is_known_by_key: bool = False,
) -> Answer:
    content, kind = _content(body)
    named = {name.lower() for name in headers}
    every = dict(headers) | {"Idempotency-Key": idempotency_key(call)}
    if kind is not None and "content-type" not in named:
        every["Content-Type"] = kind
    request = Request(
        method, url, every, content, seconds=seconds, most=MOST_SHOWN, redirects=0, is_known_by_key=is_known_by_key
    )
    return _answer(await fetch(call, request))


def idempotency_key(call: ToolCall) -> str:
    """Fit for a header, whatever the key of a call looks like."""
    return hashlib.sha256(call.key.encode()).hexdigest()[:32]


def _content(body: JsonValue) -> tuple[bytes | None, str | None]:
    if body is None:
        return None, None
    if isinstance(body, str):
        return body.encode(), "text/plain; charset=utf-8"
    return json.dumps(body).encode(), "application/json"


def _answer(fetched: Fetched) -> Answer:
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


TOOLS = (get, head, get_json, download, put, delete, post, patch, post_keyed)
