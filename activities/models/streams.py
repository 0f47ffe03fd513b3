"""Streams of models as those who pass them on hold them."""

from collections.abc import AsyncGenerator, AsyncIterator

from ...actors.models import ModelReply, Piece


async def _passed_on(stream: AsyncIterator[Piece | ModelReply]) -> AsyncGenerator[Piece | ModelReply, None]:
    async for part in stream:
        yield part


def closable(stream: AsyncIterator[Piece | ModelReply]) -> AsyncGenerator[Piece | ModelReply, None]:
    """What is left before its end gives its connection back then, and not when garbage is collected."""
    return stream if isinstance(stream, AsyncGenerator) else _passed_on(stream)
