"""The SDK of Anthropic as we use it: a request as it is, events as they come.

Nothing from the environment decides where requests go or what they carry. Its retries are off, ours know budgets and
time; so are its spans, which the environment could make to hold what was said.
"""

import logging
from datetime import timedelta
from typing import Any

import anthropic
import httpx2

from ...actors.errors import ResproutError
from .exchange import Begun
from .failures import Failures, Said
from .provider import Provider
from .retry_after import retry_after

CONNECT_SECONDS = 10.0

# Its debug lines hold whole requests, and a variable of the environment turns them on when it is imported.
logging.getLogger("anthropic").setLevel(logging.WARNING)


class AnthropicClient:
    def __init__(self, provider: Provider) -> None:
        without: dict[str, Any] = {"Authorization": anthropic.omit} if provider.key is None else {}
        self._sdk = anthropic.AsyncAnthropic(
            api_key=provider.key or "none",  # without any, the SDK would take one that is meant for others
            base_url=provider.base_url,
            default_headers=without,
            max_retries=0,
            timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
            open_telemetry=False,
            # A redirection would carry the prompt to whom no setting names.
            http_client=anthropic.DefaultAsyncHttpxClient(follow_redirects=False, timeout=None),
        )

    async def begin(self, body: dict[str, Any]) -> Begun:
        stream = await self._sdk.post(
            "/v1/messages", cast_to=object, body=body, stream=True, stream_cls=anthropic.AsyncStream[object]
        )
        return Begun(stream, stream.response.headers.get("content-type", ""))

    async def close(self) -> None:
        await self._sdk.close()


def translate(error: Exception, failures: Failures) -> ResproutError | None:
    """Anthropic's errors as ours. None: it is none of theirs."""
    match error:
        case anthropic.APIStatusError():
            # An error in the middle of an answer has the status with which the answer began.
            status = None if error.status_code < 300 else error.status_code
            return failures.told(_said(error.body, status, retry_after(error.response.headers)))
        case anthropic.APIConnectionError():
            return failures.broken(error.__cause__)
        case httpx2.HTTPError():
            return failures.broken(error)
        case anthropic.AnthropicError():
            return failures.garbled()
        case _:
            return None


def _said(body: object, status: int | None, after: timedelta | None) -> Said:
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return Said(status, retry_after=after)
    return Said(status, type=str(error.get("type") or ""), message=error.get("message"), retry_after=after)
