import io
import json
import logging

import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from resprout.runtime.settings import TelemetrySettings
from resprout.runtime.telemetry import configure_logs


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_log_line_carries_service_level_and_the_ids_of_its_context() -> None:
    stream = io.StringIO()
    configure_logs(TelemetrySettings(), "host", stream=stream)
    tracer = TracerProvider().get_tracer("test")

    with tracer.start_as_current_span("work") as span, structlog.contextvars.bound_contextvars(agent="greeter/ada"):
        structlog.get_logger("resprout.test").info("handled", times=2)

    (line,) = lines(stream)
    assert line["event"] == "handled"
    assert (line["level"], line["service"], line["agent"], line["times"]) == ("info", "host", "greeter/ada", 2)
    assert line["trace_id"] == trace.format_trace_id(span.get_span_context().trace_id)


def test_the_standard_library_logs_in_the_same_form() -> None:
    stream = io.StringIO()
    configure_logs(TelemetrySettings(log_level="warning"), "worker", stream=stream)

    logging.getLogger("temporalio").warning("slow %s", "poll")
    logging.getLogger("temporalio").info("not shown")

    (line,) = lines(stream)
    assert (line["event"], line["logger"], line["service"]) == ("slow poll", "temporalio", "worker")


def test_an_exception_is_one_line() -> None:
    stream = io.StringIO()
    configure_logs(TelemetrySettings(), "host", stream=stream)

    try:
        password = "hush"  # noqa: F841 - a local variable that must not be shown
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger("resprout.test").exception("failed")

    (line,) = lines(stream)
    assert "broken" in json.dumps(line["exception"])
    assert "hush" not in json.dumps(line)
