"""The HTTP front: health, version, metrics. Errors are problem details (RFC 9457)."""

import asyncio
import math
import platform
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from http import HTTPMethod, HTTPStatus
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import Counter, Histogram
from starlette.exceptions import HTTPException

from ..actors.errors import (
    MailboxFull,
    NotFound,
    OutcomeUnknown,
    Rejected,
    ResproutError,
    StackError,
    TooLarge,
    Unavailable,
)
from ..actors.logger import get_logger
from .telemetry import REGISTRY, render

log = get_logger("resprout.gateway")

CHECK_SECONDS = 2.0
DRAIN_SECONDS = 10  # less than the supervisor waits before it kills
METHODS = frozenset(HTTPMethod)  # a client may send any word as method; each would be a new time series
REQUESTS = Counter(
    "resprout_http_requests_total", "Requests answered.", ["method", "route", "status"], registry=REGISTRY
)
SECONDS = Histogram("resprout_http_request_seconds", "Time to answer.", ["route"], registry=REGISTRY)

# The first that fits.
STATUS: Mapping[type[ResproutError], int] = {
    NotFound: 404,
    TooLarge: 413,
    Rejected: 400,
    MailboxFull: 429,
    Unavailable: 503,
    OutcomeUnknown: 504,
    ResproutError: 500,
}

Check = Callable[[], Awaitable[str]]


def create_app(checks: Mapping[str, Check], version: str) -> FastAPI:
    app = FastAPI(title="Resprout", version=version)
    app.middleware("http")(_measure)
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(RequestValidationError, _validation_problem)
    app.add_exception_handler(ResproutError, _refusal)
    app.add_exception_handler(Exception, _problem_of_ours)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Liveness: answers as long as the process does."""
        return {"status": "alive"}

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        """Readiness: every server that this process needs answers."""
        results = dict(zip(checks, await asyncio.gather(*map(_judge, checks.values())), strict=True))
        ready = all(result["ok"] for result in results.values())
        body = {"status": "ready" if ready else "not ready", "checks": results}
        return JSONResponse(body, 200 if ready else 503)

    @app.get("/version")
    async def version_() -> dict[str, str]:
        return {"name": "resprout", "version": version, "python": platform.python_version()}

    @app.get("/metrics")
    async def metrics() -> Response:
        body, content_type = render()
        return Response(body, media_type=content_type)

    return app


async def serve(app: FastAPI, host: str, port: int, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serves until SIGTERM or SIGINT, then lets requests in flight finish."""
    listener = _listen(host, port)
    server = _Server(
        uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=DRAIN_SECONDS)
    )
    if on_ready is not None:
        shown = f"[{host}]" if ":" in host else host
        server.on_ready = lambda: on_ready(f"http://{shown}:{listener.getsockname()[1]}")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.handle_exit, number, None)
    try:
        await server.serve(sockets=[listener])
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _listen(host: str, port: int) -> socket.socket:
    """Ours, because uvicorn's ends the process when it cannot bind."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (")[0]
        raise StackError(
            f"the gateway cannot listen on {host}:{port}: {reason}. Set `gateway.port` or `gateway.host` to another."
        ) from None


class _Server(uvicorn.Server):
    """uvicorn's server, but it leaves signals to us and says when it accepts connections."""

    on_ready: Callable[[], None] | None = None

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self.on_ready is not None:
            self.on_ready()


async def _judge(check: Check) -> dict[str, Any]:
    try:
        return {"ok": True, "detail": await asyncio.wait_for(check(), CHECK_SECONDS)}
    except TimeoutError:
        return {"ok": False, "detail": f"no answer within {CHECK_SECONDS:.0f} s"}
    except Exception as error:  # noqa: BLE001 - a check that fails in any way is an answer
        return {"ok": False, "detail": str(error) or type(error).__name__}


async def _measure(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    began = time.monotonic()
    try:
        response = await call_next(request)
    except Exception as error:  # noqa: BLE001 - left to Starlette, it would be logged twice
        response = await _problem_of_ours(request, error)
    route = getattr(request.scope.get("route"), "path", "unmatched")
    method = request.method if request.method in METHODS else "other"
    REQUESTS.labels(method, route, response.status_code).inc()
    SECONDS.labels(route).observe(time.monotonic() - began)
    return response


def _problem(status: int, detail: str) -> JSONResponse:
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(body, status, media_type="application/problem+json")


async def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = f"there is nothing at {request.url.path}" if error.status_code == 404 else str(error.detail)
    response = _problem(error.status_code, detail)
    response.headers.update(error.headers or {})
    return response


async def _validation_problem(_request: Request, error: Exception) -> Response:
    return _problem(422, str(error))


async def _refusal(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ResproutError)
    response = _problem(next(status for kind, status in STATUS.items() if isinstance(error, kind)), str(error))
    if isinstance(error, Unavailable) and error.retry_after is not None:
        response.headers["Retry-After"] = str(math.ceil(error.retry_after.total_seconds()))
    return response


async def _problem_of_ours(request: Request, error: Exception) -> Response:
    log.error("request failed", path=request.url.path, exc_info=error)
    return _problem(500, "an error of ours; the gateway's log has the reason")
