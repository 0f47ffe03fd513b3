"""Sends spans to a collector that may not be there: a bad collector costs spans, never work and never a log full of it.

Only `configure_traces` imports this module, and only when a collector is configured: it loads the SDK.
"""

import atexit
import logging
import os
import time
from collections.abc import Callable, Sequence

from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Status
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AnyValue

from ... import __version__
from ...activities.secrets import Veil
from ..secrets import SEEN

FLUSH_EVERY_MS = 500
EXPORT_TIMEOUT_SECONDS = 3
QUIET_SECONDS = 60.0
# Where the SDK says that a collector does not answer, and that spans are dropped for it.
COMPLAINERS = (OTLPSpanExporter.__module__, "opentelemetry.sdk._shared_internal")


def start_export(endpoint: str, service: str) -> Callable[[], None]:
    exporter = _LossyExporter(
        OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_TIMEOUT_SECONDS)
    )
    identity: dict[str, AnyValue] = {
        "service.name": f"resprout-{service}",
        "service.version": __version__,
        "process.pid": os.getpid(),
    }
    provider = TracerProvider(resource=Resource.create(identity), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=FLUSH_EVERY_MS))
    for name in COMPLAINERS:
        logging.getLogger(name).addFilter(ONE_PER_MINUTE)
    trace.set_tracer_provider(provider)
    propagate.set_global_textmap(TraceContextTextMapPropagator())

    def close() -> None:
        atexit.unregister(close)
        exporter.is_closing = True
        provider.shutdown()

    atexit.register(close)  # the SDK's own would wait for every batch in the queue
    return close


class _LossyExporter(SpanExporter):
    """While closing, gives up at the first failure: the process ends after one time-out, not one for each batch."""

    def __init__(self, inner: SpanExporter) -> None:
        self.inner = inner
        self.has_failed = False
        self.is_closing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self.is_closing and self.has_failed:
            return SpanExportResult.FAILURE
        veil = SEEN.veil
        result = self.inner.export([veiled(span, veil) for span in spans] if veil else spans)
        self.has_failed = result is not SpanExportResult.SUCCESS
        return result

    def shutdown(self) -> None:
        self.inner.shutdown()


def veiled(span: ReadableSpan, veil: Veil) -> ReadableSpan:
    """Without the values of secrets: an error that passes through a span leaves its text and its traceback there."""
    said = span.status.description
    return ReadableSpan(
        name=veil.hide(span.name),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=veil.hidden(dict(span.attributes or {})),
        events=[
            Event(veil.hide(event.name), veil.hidden(dict(event.attributes or {})), event.timestamp)
            for event in span.events
        ],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code, veil.hide(said) if said else said),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


class _OnePerMinute(logging.Filter):
    """Lets one line through, then none for a minute: batches fail twice a second while a collector is away."""

    def __init__(self) -> None:
        super().__init__()
        self.quiet_until = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now < self.quiet_until:
            return False
        self.quiet_until = now + QUIET_SECONDS
        return True


ONE_PER_MINUTE = _OnePerMinute()  # one for all complainers: they complain about the same collector
