"""The reply at the end of an answer, alike for every protocol.

The invariant: what nobody counted never looks as if it had been. A guess is for who watches and for limits; money and
the next reservation are built on what a provider has told, or on what was reserved.
"""

from ...actors.models import FromModel, ModelReply, ModelRequest, Stop, Usage
from .tokens import guessed_usage


def reply_to(request: ModelRequest, message: FromModel, told: Usage | None, stop: Stop, version: str) -> ModelReply:
    if told is not None and not told.tokens:
        told = None  # some servers that do not count say zero
    return ModelReply(
        message=message,
        usage=told or guessed_usage(request, message),
        counted=told is not None,
        stop=stop,
        model=request.model,
        version=version,
    )
