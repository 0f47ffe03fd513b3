"""Traces that go with messages: where none came with one, none is begun, and nothing is paid."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from opentelemetry import context, trace
from opentelemetry.propagate import extract, inject

tracer = trace.get_tracer("resprout")


def span(name: str, carrier: dict[str, str], **attributes: str) -> AbstractContextManager[object]:
    """A span under the one that the message came with."""
    if not carrier:
        return nullcontext()
    return tracer.start_as_current_span(name, context=extract(carrier), attributes=attributes)


@contextmanager
def _under(carrier: dict[str, str]) -> Iterator[None]:
    token = context.attach(extract(carrier))
    try:
        yield
    finally:
        context.detach(token)


def under(carrier: dict[str, str]) -> AbstractContextManager[object]:
    """What happens inside belongs to the message's trace."""
    return _under(carrier) if carrier else nullcontext()


def carried() -> dict[str, str]:
    """The current trace, for a message that is sent now."""
    carrier: dict[str, str] = {}
    if trace.get_current_span() is not trace.INVALID_SPAN:
        inject(carrier)
    return carrier
