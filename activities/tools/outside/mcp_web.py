"""Talks to an MCP server by streamable HTTP: the SDK's transport, on a client that reads no answer without end."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

LARGEST_ANSWER = 16 << 20
CONNECT = timedelta(seconds=10)
SILENCE = timedelta(minutes=10)  # on a stream that is open; how long a call may take, its tool says


@asynccontextmanager
async def endpoint(url: str, headers: Mapping[str, str]) -> AsyncIterator[Any]:
    timeout = httpx2.Timeout(CONNECT.total_seconds(), read=SILENCE.total_seconds())
    bounded = BoundedTransport(httpx2.AsyncHTTPTransport())
    async with (
        httpx2.AsyncClient(headers=dict(headers), timeout=timeout, transport=bounded) as client,
        streamable_http_client(url, http_client=client, max_sse_event_size=LARGEST_ANSWER) as streams,
    ):
        yield streams


class BoundedTransport(httpx2.AsyncBaseTransport):
    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        if "text/event-stream" not in response.headers.get("content-type", ""):  # those have a bound of their own
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = BoundedStream(response.stream)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._inner:
            size += len(chunk)
            if size > LARGEST_ANSWER:
                raise httpx2.ReadError(f"its answer has more than {LARGEST_ANSWER >> 20} MB")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
