import io
import json
import logging
import subprocess
import sys

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from resprout.runtime.secrets import SecretsFromEnvironment
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


def test_ray_logs_in_the_same_form_although_it_is_imported_later() -> None:
    program = """if True:
        from resprout.runtime.settings import TelemetrySettings
        from resprout.runtime.telemetry import configure_logs
        configure_logs(TelemetrySettings(log_level="warning", log_format="json"), "worker")
        import logging, ray
        logging.getLogger("ray.worker").warning("slow head")
        logging.getLogger("ray").info("not shown")
    """

    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)

    (line,) = map(json.loads, done.stderr.splitlines())
    assert (line["event"], line["logger"], line["service"]) == ("slow head", "ray.worker", "worker")


def test_a_level_that_is_off_is_not_written() -> None:
    stream = io.StringIO()
    configure_logs(TelemetrySettings(log_level="error"), "host", stream=stream)

    structlog.get_logger("resprout.test").warning("not shown")

    assert stream.getvalue() == ""


def test_a_console_gets_text_without_local_variables() -> None:
    stream = io.StringIO()
    configure_logs(TelemetrySettings(log_format="console"), "host", stream=stream)

    try:
        password = "hu" + "sh"  # noqa: F841 - in two, because a traceback shows the line itself
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger("resprout.test").exception("failed")

    assert "ValueError: broken" in stream.getvalue()
    assert "hush" not in stream.getvalue()


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_secret_that_this_process_has_seen_is_in_no_line(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    configure_logs(TelemetrySettings(log_format=form), "worker", stream=stream)
    monkeypatch.setenv("RESPROUT_SECRET_LOGGED", 'logged "canary" 81')
    secret = SecretsFromEnvironment().value("logged")

    try:
        try:
            raise KeyError(secret)
        except KeyError as error:
            raise ValueError(f"no access with {secret}") from error
    except ValueError:
        structlog.get_logger("resprout.test").exception("failed", header=[secret], call=Call(secret))
    logging.getLogger("temporalio").warning("gone: %r", {"key": secret})

    assert stream.getvalue().count("secret://logged") >= 5
    assert "canary" not in stream.getvalue()
    if form == "json":
        assert [line["logger"] for line in lines(stream)] == ["resprout.test", "temporalio"]


class Call:
    def __init__(self, key: str) -> None:
        self.key = key

    def __repr__(self) -> str:
        return f"Call({self.key!r})"
