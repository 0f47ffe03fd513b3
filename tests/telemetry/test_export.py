"""Each case is a process of its own: OpenTelemetry takes one tracer provider in a process's life."""

import json
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest
from support.collector import Collector

START = """
import json, sys, time
from opentelemetry import trace
from resprout.runtime.settings import TelemetrySettings
from opentelemetry.propagate import extract, inject
from resprout.runtime.telemetry import configure_logs, configure_traces
telemetry = TelemetrySettings(otlp_endpoint=sys.argv[1] if len(sys.argv) > 1 else None, log_format="json")
configure_logs(telemetry, "test")
close = configure_traces(telemetry, "test")
tracer = trace.get_tracer("test")
"""


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = START + textwrap.dedent(script)
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(params=["refuses", "never answers"])
def bad_endpoint(request: pytest.FixtureRequest) -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if request.param == "never answers":
            listener.listen(100)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_without_a_collector_the_sdk_is_not_imported() -> None:
    done = run("""
        with tracer.start_as_current_span("work"):
            carrier = {}
            inject(carrier)
            print(json.dumps([carrier, [name for name in sys.modules if name.startswith("opentelemetry.sdk")]]))
        close()
    """)

    assert json.loads(done.stdout) == [{}, []]


def test_a_trace_goes_on_in_what_a_message_carried() -> None:
    with Collector() as collector:
        run(
            """
            with tracer.start_as_current_span("sent"):
                carried = {}
                inject(carried)
            assert set(carried) == {"traceparent"}, carried
            with tracer.start_as_current_span("handled", context=extract(carried)):
                pass
            close()
            """,
            collector.endpoint,
        )
        spans = {span.name: span for span in collector.wait_for(lambda spans: len(spans) == 2)}

    assert spans["handled"].trace_id == spans["sent"].trace_id
    assert spans["handled"].parent_id == spans["sent"].span_id
    assert {span.service for span in spans.values()} == {"resprout-test"}


def test_spans_arrive_although_the_process_forgot_to_close() -> None:
    with Collector() as collector:
        run('tracer.start_span("last words").end()', collector.endpoint)

        collector.wait_for(lambda spans: [span.name for span in spans] == ["last words"])


def test_a_bad_collector_slows_no_work_and_no_end_and_is_complained_about_once(
    bad_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4096")  # eight batches wait in the end
    done = run(
        """
        busy = 0.0
        for _ in range(12):  # longer than two time-outs: batches fail again and again
            began = time.monotonic()
            for _ in range(500):
                tracer.start_span("work").end()
            busy += time.monotonic() - began
            time.sleep(0.6)
        began = time.monotonic()
        close()
        print(json.dumps([busy, time.monotonic() - began]))
        """,
        bad_endpoint,
    )

    busy, closing = json.loads(done.stdout)
    complaints = [json.loads(line) for line in done.stderr.splitlines()]
    assert busy < 15  # as long as five time-outs; there are a dozen batches
    assert closing < 15  # one time-out of 3 s, not one for each of the batches that wait
    assert len(complaints) == 1, done.stderr
