"""Logs as JSON lines with the ids that tie them together: trace, run, agent, message.

The standard library's loggers (uvicorn, temporalio, alembic, ray) go through the same pipeline, so that every line
of a process has one form, and none a value of a secret that the process has seen.
"""

import logging
import os
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from opentelemetry import trace

from ..secrets import SEEN
from ..settings import TelemetrySettings

CHATTY = ("httpx", "httpx2", "httpcore2", "asyncio", "alembic", "urllib3")

# Without local variables: a DSN or a key is often one.
TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def configure_logs(settings: TelemetrySettings, service: str, *, stream: TextIO | None = None) -> None:
    stream = stream or sys.stderr
    as_console = settings.log_format == "console" or (settings.log_format == "auto" and stream.isatty())
    identity = {"service": service, "pid": os.getpid()}

    def identify(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return event if as_console else {**event, **identity}

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        _add_trace,
        identify,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    handler = logging.StreamHandler(stream)
    handler.setLevel(level)  # a library that sets the level of its own logger (ray) is held here
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendered(as_console), _hide],
        )
    )
    _take_over(handler, level)


def _rendered(as_console: bool) -> list[Any]:
    if as_console:
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [TRACEBACKS, structlog.processors.JSONRenderer()]


def _take_over(handler: logging.Handler, level: int) -> None:
    """All that anybody logs in this process goes one way."""
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(max(logging.WARNING, level))
    ray = logging.getLogger("ray")
    ray.handlers.clear()
    ray.__class__ = _Captive


class _Captive(logging.Logger):
    """Takes no handler and always propagates. Ray gives its logger a handler and cuts it off from the root when it is
    imported, which is after us: our processes import it late, because it is slow."""

    def addHandler(self, hdlr: logging.Handler) -> None:  # noqa: N802 - the standard library's name
        pass

    @property
    def propagate(self) -> bool:
        return True

    @propagate.setter
    def propagate(self, value: bool) -> None:
        pass


def _hide(_logger: object, _method: str, line: Any) -> str:
    """In the whole line, because whatever was logged is text only now: objects, and errors with their causes."""
    return SEEN.veil.hide(line)


def _add_trace(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
        event["span_id"] = trace.format_span_id(context.span_id)
    return event
