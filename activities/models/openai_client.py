"""The SDK of OpenAI as both of its protocols use it: requests as they are, events as they come.

The SDK reads much from variables of the environment (keys, organizations, headers, addresses). None of it may decide
where our requests go or what they carry: settings alone do. Its retries are off: ours know budgets and time.
"""

import logging
import re
from hashlib import sha256
from typing import Any

import httpx2
import openai

from ...actors.errors import ResproutError
from ...actors.models import ModelRequest
from .exchange import Begun
from .failures import Failures, Said
from .provider import Provider
from .retry_after import retry_after

CONNECT_SECONDS = 10.0

# Its debug lines hold whole requests, and a variable of the environment turns them on when it is imported.
logging.getLogger("openai").setLevel(logging.WARNING)
FOREIGN_HEADERS = ("OpenAI-Organization", "OpenAI-Project")

# They think before they speak, and refuse a temperature.
_THINKS = re.compile(r"(o\d|gpt-([5-9]|\d\d))(?!.*-chat)")


class OpenAIClient:
    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._headers: dict[str, str | openai.Omit] = dict.fromkeys(FOREIGN_HEADERS, openai.Omit())
        if provider.key is None:
            self._headers["Authorization"] = openai.Omit()
        self._sdk = openai.AsyncOpenAI(
            api_key=provider.key or "none",  # without any, the SDK would take one that is meant for others
            admin_api_key="",
            base_url=provider.base_url,
            max_retries=0,
            timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
            # A redirection would carry the prompt to whom no setting names.
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False, timeout=None),
        )

    async def begin(self, path: str, body: dict[str, Any]) -> Begun:
        stream = await self._sdk.post(
            path,
            cast_to=object,
            body=body,
            options={"headers": self._headers},
            stream=True,
            stream_cls=openai.AsyncStream[object],
        )
        return Begun(stream, stream.response.headers.get("content-type", ""))

    async def close(self) -> None:
        await self._sdk.close()


def thinks(name: str) -> bool:
    return _THINKS.match(name) is not None


def takes_temperature(provider: Provider, name: str) -> bool:
    return not (provider.is_openai and thinks(name))


def is_strict(shape: object) -> bool:
    """Whether OpenAI can hold a model to this schema: every object closed, and all of its fields required."""
    match shape:
        case {"type": "object", **rest}:
            properties = rest.get("properties")
            is_closed = isinstance(properties, dict) and rest.get("additionalProperties") is False
            required = rest.get("required")
            has_all = isinstance(required, list) and isinstance(properties, dict) and set(properties) == set(required)
            return is_closed and has_all and all(map(is_strict, rest.values()))
        case dict():
            return all(map(is_strict, shape.values()))
        case list():
            return all(map(is_strict, shape))
        case _:
            return True


def cache_key(request: ModelRequest) -> str | None:
    """As a digest: the name of a conversation is nobody else's business."""
    return sha256(request.conversation.encode()).hexdigest()[:32] if request.conversation else None


def translate(error: Exception, failures: Failures) -> ResproutError | None:
    """OpenAI's errors as ours. None: it is none of theirs."""
    match error:
        case openai.APIStatusError():
            return failures.told(_said(error, error.status_code, retry_after(error.response.headers)))
        case openai.APIConnectionError():
            return failures.broken(error.__cause__)
        case openai.APIResponseValidationError():
            return failures.garbled()
        case openai.APIError():  # in the middle of an answer
            return failures.told(_said(error, None, None))
        case httpx2.HTTPError():
            return failures.broken(error)
        case openai.OpenAIError():
            return failures.garbled()
        case _:
            return None


def _said(error: openai.APIError, status: int | None, after: Any) -> Said:
    body = error.body if isinstance(error.body, dict) else {}
    return Said(
        status,
        code=str(body.get("code") or ""),
        type=str(body.get("type") or ""),
        param=str(body.get("param") or ""),
        message=body.get("message") or body.get("detail"),
        retry_after=after,
    )
