"""Tools that change something by HTTP: `http.put`, `http.delete`, `http.post`, `http.patch`, `http.post_keyed`.

What a crash means: `put` and `delete` are sent again with the same `Idempotency-Key`; by the rules of HTTP they may be.
`post` and `patch` happen at most once, because most servers do not look at that header. Of a server that is known to
honour it, ask by `post_keyed`.
"""

import hashlib
import json
from typing import Annotated

from pydantic import Field, JsonValue

from ..tool import ToolCall
from ..web import Request, Seconds, Url, fetch
from .http import MOST_SHOWN, NONE, Answer, Headers, answer_of, reaches

Body = Annotated[
    JsonValue, Field(description="Body: a text is sent as it is, anything else as JSON. `null` sends none.")
]


@reaches("http.put", contract="keyed", danger="medium", tags=("web", "api"))
async def put(call: ToolCall, url: Url, body: Body = None, headers: Headers = NONE, seconds: Seconds = 30) -> Answer:
    """Puts a body at a URL, in place of what is there."""
    return await _send(call, "PUT", url, body, headers, seconds)


@reaches("http.delete", contract="keyed", danger="high", tags=("web", "api"))
async def delete(call: ToolCall, url: Url, headers: Headers = NONE, seconds: Seconds = 30) -> Answer:
    """Deletes what is at a URL."""
    return await _send(call, "DELETE", url, None, headers, seconds)


@reaches("http.post", contract="at-most-once", danger="medium", tags=("web", "api"))
async def post(call: ToolCall, url: Url, body: Body = None, headers: Headers = NONE, seconds: Seconds = 30) -> Answer:
    """Posts a body to a URL, at most once. Where no answer comes, the call is in doubt."""
    return await _send(call, "POST", url, body, headers, seconds)


@reaches("http.patch", contract="at-most-once", danger="medium", tags=("web", "api"))
async def patch(call: ToolCall, url: Url, body: Body = None, headers: Headers = NONE, seconds: Seconds = 30) -> Answer:
    """Changes a part of what is at a URL, at most once. Where no answer comes, the call is in doubt."""
    return await _send(call, "PATCH", url, body, headers, seconds)


@reaches("http.post_keyed", contract="keyed", danger="medium", tags=("web", "api"))
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
    every = dict(headers) | {"Idempotency-Key": _header_key(call)}
    if kind is not None and "content-type" not in named:
        every["Content-Type"] = kind
    request = Request(
        method, url, every, content, seconds=seconds, most=MOST_SHOWN, redirects=0, is_known_by_key=is_known_by_key
    )
    return answer_of(await fetch(call, request))


def _header_key(call: ToolCall) -> str:
    """Fit for a header, whatever the key of a call looks like."""
    return hashlib.sha256(call.key.encode()).hexdigest()[:32]


def _content(body: JsonValue) -> tuple[bytes | None, str | None]:
    if body is None:
        return None, None
    if isinstance(body, str):
        return body.encode(), "text/plain; charset=utf-8"
    return json.dumps(body).encode(), "application/json"


TOOLS = (put, delete, post, patch, post_keyed)
