"""What leaves a worker by other ways than a tool's result: its spans and the errors that pass through."""

import traceback

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from resprout.activities.secrets import Veil
from resprout.actors.errors import Unavailable
from resprout.runtime.telemetry.otlp import veiled as veiled_span
from resprout.runtime.veiled_errors import veiled
from temporalio.exceptions import ApplicationError

CANARY = "a canary that left"
VEIL = Veil({"left": CANARY})


def test_a_span_carries_no_secret_in_its_attributes_nor_in_the_error_that_it_saw() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    try:
        with provider.get_tracer("test").start_as_current_span("call", attributes={"key": CANARY, "times": 2}):
            raise ValueError(f"no access with {CANARY}")
    except ValueError:
        (span,) = exporter.get_finished_spans()

    hidden = veiled_span(span, VEIL)

    assert CANARY in span.to_json()
    assert CANARY not in hidden.to_json()
    assert hidden.attributes == {"key": "secret://left", "times": 2}
    assert (hidden.context, hidden.start_time, hidden.end_time) == (span.context, span.start_time, span.end_time)


def test_an_error_that_is_tried_again_tells_no_secret_and_is_tried_again() -> None:
    error = veiled(Unavailable(f"no answer with {CANARY}"), VEIL)

    assert isinstance(error, ApplicationError)
    assert (error.message, error.type, error.non_retryable) == (
        "no answer with secret://left",
        "Unavailable",
        False,
    )


def test_an_error_that_was_written_for_temporal_stays_what_it_is() -> None:
    error = veiled(ApplicationError(f"no {CANARY}", {"key": CANARY}, type="Denied", non_retryable=True), VEIL)

    assert isinstance(error, ApplicationError)
    assert (error.message, error.details, error.type, error.non_retryable) == (
        "no secret://left",
        ({"key": "secret://left"},),
        "Denied",
        True,
    )
    assert CANARY not in "".join(traceback.format_exception(error))
