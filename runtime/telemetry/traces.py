"""OpenTelemetry traces, sent by OTLP over HTTP when a collector is configured.

Without one nothing is set up and the SDK is not even imported: the API's no-op tracer costs nothing to speak of.
"""

from collections.abc import Callable

from ..settings import TelemetrySettings


def configure_traces(settings: TelemetrySettings, service: str) -> Callable[[], None]:
    """Returns what flushes the last spans before the process ends."""
    if settings.otlp_endpoint is None:
        return lambda: None
    from .otlp import start_export

    return start_export(settings.otlp_endpoint, service)
