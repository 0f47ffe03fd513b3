"""What a call to a model leaves behind for operators: a span and numbers. Never what was asked or said."""

import time
from collections.abc import AsyncIterator
from contextlib import aclosing

from opentelemetry.trace import Span, StatusCode
from prometheus_client import Counter, Histogram

from ..activities.models.provider import own_name
from ..activities.models.streams import closable
from ..actors.models import Model, ModelReply, ModelRequest, Piece, UnknownModel, Usage
from ..actors.tracing import tracer
from .telemetry.metrics import REGISTRY

CALLS = Counter(
    "resprout_model_calls", "Calls to language models that ended.", ["provider", "model", "outcome"], registry=REGISTRY
)
TOKENS = Counter(
    "resprout_model_tokens",
    "Tokens of these calls; cached and written ones are among those of the input.",
    ["provider", "model", "kind"],
    registry=REGISTRY,
)
SECONDS = Histogram(
    "resprout_model_seconds",
    "Time of a call until its answer was whole.",
    ["provider", "model"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
    registry=REGISTRY,
)
LEFT = "left"  # the reader of an answer went away before its end


class Watched:
    """Around an adapter: each try is a call of its own."""

    def __init__(self, model: Model, provider: str) -> None:
        self._model = model
        self._provider = provider

    async def stream(self, request: ModelRequest) -> AsyncIterator[Piece | ModelReply]:
        name = own_name(request.model)
        # Not the current span: the reader of our pieces would work within it.
        span = tracer.start_span(f"chat {name}", attributes=self._asked(request, name))
        began, outcome, reply = time.monotonic(), LEFT, None
        try:
            async with aclosing(closable(self._model.stream(request))) as said:
                async for part in said:
                    if isinstance(part, ModelReply):
                        outcome, reply = part.stop, part
                        self._count(part, name, span)
                    else:
                        yield part
        except Exception as error:
            outcome = type(error).__name__
            if isinstance(error, UnknownModel):
                name = "unknown"  # whatever somebody wrote is no name of a series
            span.set_status(StatusCode.ERROR, str(error))
            raise
        finally:
            span.set_attribute("resprout.outcome", outcome)
            span.end()
            CALLS.labels(self._provider, name, outcome).inc()
            SECONDS.labels(self._provider, name).observe(time.monotonic() - began)
        if reply is not None:
            yield reply  # when all is told: who has the reply need not read on

    def _asked(self, request: ModelRequest, name: str) -> dict[str, str | int]:
        return {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": self._provider,
            "gen_ai.request.model": name,
            "gen_ai.request.max_tokens": request.max_tokens,
            "resprout.messages": len(request.messages),
            "resprout.tools": len(request.tools),
        }

    def _count(self, reply: ModelReply, name: str, span: Span) -> None:
        span.set_attributes({"gen_ai.response.model": reply.version, "gen_ai.response.finish_reasons": [reply.stop]})
        if reply.counted:
            self._count_tokens(reply.usage, name, span)

    def _count_tokens(self, usage: Usage, name: str, span: Span) -> None:
        span.set_attributes(
            {
                "gen_ai.usage.input_tokens": usage.input_tokens,
                "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
                "gen_ai.usage.output_tokens": usage.output_tokens,
            }
        )
        for kind, count in (
            ("input", usage.input_tokens),
            ("cached", usage.cached_tokens),
            ("written", usage.written_tokens),
            ("output", usage.output_tokens),
        ):
            TOKENS.labels(self._provider, name, kind).inc(count)
