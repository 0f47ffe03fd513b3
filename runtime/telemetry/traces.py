"""OpenTelemetry traces, sent by OTLP over HTTP when a collector is configured.

Without one nothing is set up and the SDK is not even imported: the API's no-op tracer costs nothing to speak of.
"""

import os
from collections.abc import Callable

from ... import __version__
from ..settings import TelemetrySettings

FLUSH_EVERY_MS = 500
EXPORT_TIMEOUT_SECONDS = 3


def configure_traces(settings: TelemetrySettings, service: str) -> Callable[[], None]:
    """Returns what flushes the last spans before the process ends."""
    if settings.otlp_endpoint is None:
        return lambda: None
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(
        resource=Resource.create(
            {"service.name": f"resprout-{service}", "service.version": __version__, "process.pid": os.getpid()}
        )
    )
    exporter = OTLPSpanExporter(
        endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_TIMEOUT_SECONDS
    )
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=FLUSH_EVERY_MS))
    trace.set_tracer_provider(provider)
    return provider.shutdown
