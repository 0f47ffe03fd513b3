"""One HTTP request of a tool, made in a sandbox that may reach the URL's host and port and nothing else.

The invariant: what policy was asked about is what is reached. So a redirect to another host is told, not followed. A
request is not done once for each key by the sandbox: whether it may be done twice is the contract of the tool.
"""

import json
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from pydantic import AfterValidator, Field

from ...actors.errors import Broken, OutcomeUnknown, ResproutError
from ..sandbox.backend import NoSandbox
from ..sandbox.spec import MB, SandboxLimits, SandboxSpec, is_host
from ..secrets import NOTHING_HIDDEN, Veil
from .manifest import Permission
from .tool import ToolCall, ToolError

INSIDE = Path(__file__).with_name("request_inside.py")
MOST_BYTES = 15 * MB  # what a sandbox gives back
PORTS = {"http": 80, "https": 443}
SAFE = frozenset({"GET", "HEAD"})
REPEATABLE = SAFE | {"PUT", "DELETE"}  # by the rules of HTTP: twice is as good as once


class NoAnswer(Broken):
    """A request went out and nothing came back: it may have been done, and must not be done twice."""


class Unanswered(OutcomeUnknown):
    """The same, where the other side knows the request again by its key: the step is tried again."""


def web_url(text: str) -> str:
    """In the spelling that is sent. Raises ValueError with a sentence."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError as error:
        raise ValueError(f"{text[:100]!r} is no URL: {error}.") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError(f"{text[:100]!r} is no URL of the web: write it as in https://example.org/page.")
    if parts.username is not None:
        raise ValueError("a URL must not have a user or password in it: send a header `Authorization` instead.")
    if not is_host(f"{parts.hostname}:{port}"):
        raise ValueError(f"{parts.hostname[:100]!r} is not a host name in ASCII: write it in its xn-- form.")
    path, query = (quote(part, safe="%/:=&?~+!$,;'@()*[]-._") for part in (parts.path or "/", parts.query))
    return urlunsplit((parts.scheme, parts.netloc.lower(), path, query, ""))


Url = Annotated[
    str,
    AfterValidator(web_url),
    Field(description="URL with http or https, as in https://example.org/page.", max_length=8_000),
]
Seconds = Annotated[int, Field(description="Seconds until it is given up.", ge=1, le=60)]


def reached(url: str) -> str:
    """host:port, as policy and the sandbox know it."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or PORTS[parts.scheme]}"


def connects(url: str) -> Permission:
    return Permission(action="net.connect", on=reached(url))


def with_params(url: str, params: dict[str, str]) -> str:
    if not params:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, urlencode(params))))))


@dataclass(frozen=True)
class Request:
    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    seconds: int = 30
    most: int = 1 * MB  # of the answer's body; what is longer is cut
    redirects: int = 5
    is_known_by_key: bool = False  # the other side honours the header Idempotency-Key
    veil: Veil = NOTHING_HIDDEN  # over secrets in it that did not come with the call

    @property
    def may_be_repeated(self) -> bool:
        return self.method in REPEATABLE or self.is_known_by_key


@dataclass(frozen=True)
class Fetched:
    status: int
    reason: str
    url: str  # where redirects led
    headers: dict[str, str]  # names in lower case
    body: bytes
    is_cut: bool

    @property
    def type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        _, _, named = self.headers.get("content-type", "").lower().partition("charset=")
        try:
            return self.body.decode(named.partition(";")[0].strip(" \"'") or "utf-8", errors="replace")
        except LookupError:
            return self.body.decode(errors="replace")

    def expect_success(self) -> "Fetched":
        if not 200 <= self.status < 300:
            raise ToolError(f"{self.url} answered {self.status} {self.reason}{_beginning(self)}.")
        return self


async def fetch(call: ToolCall, request: Request) -> Fetched:
    """Raises ToolError when there is no answer and nothing was done, NoAnswer when something may have been."""
    if call.sandbox is None:
        raise ToolError("nothing can be reached from here, for there are no sandboxes: call it where a worker runs.")
    try:
        result = await call.sandbox(_spec(request), once=False, veil=request.veil)
    except NoSandbox as error:
        if error.may_have_begun or request.may_be_repeated:
            raise  # the step is tried again, or is in doubt
        raise ToolError(f"{request.method} {request.url.partition('?')[0]}: nothing was sent: {error}") from None
    files = {file.path: file.content or b"" for file in result.files}
    # The gate's word: what the program inside says of itself was written near what it talked to.
    sent = any(connection.sent > 0 for connection in result.connections)
    if "answer.json" not in files:
        said = result.reason or result.stderr.text.strip().rpartition("\n")[2] or f"it ended with {result.exit_code}"
        raise _failure(request, f"the request ended without an answer: {said}", sent)
    told = json.loads(files["answer.json"])
    if "failed" in told:
        raise _failure(request, told["failed"], sent)
    body = files.get("answer.body", b"")
    return Fetched(**told, body=body[: request.most], is_cut=len(body) > request.most)


def _spec(request: Request) -> SandboxSpec:
    wanted: dict[str, Any] = {
        "method": request.method,
        "url": request.url,
        "headers": request.headers,
        "seconds": request.seconds,
        "most": request.most,
        "redirects": request.redirects,
    }
    files: dict[str, Any] = {"request.json": wanted}
    if request.body is not None:
        files["body"] = {"base64": b64encode(request.body).decode()}
    return SandboxSpec(
        language="python",
        code=INSIDE.read_text(),
        files=files,
        collect=("answer.*",),
        net=(reached(request.url),),
        limits=SandboxLimits(time=timedelta(seconds=request.seconds + 5)),
    )


def _failure(request: Request, said: str, sent: bool) -> ResproutError:
    where = f"{request.method} {request.url.partition('?')[0]}"
    said = said.rstrip(".")
    if not sent or request.method in SAFE:
        return ToolError(f"{where}: {said}.")
    if request.method in REPEATABLE:
        return ToolError(f"{where}: {said}. It may have been done; the same again does no harm.")
    if request.is_known_by_key:
        return Unanswered(f"{where}: {said}. It is sent again with the same key.")
    return NoAnswer(f"{where}: {said}. It may have been done: look there before it is sent again.")


def _beginning(fetched: Fetched) -> str:
    text = " ".join(fetched.text[:300].split())
    return f": {text}" if text and not text.startswith("<") else ""
