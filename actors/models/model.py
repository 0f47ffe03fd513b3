"""A language model as whoever asks it sees it."""

from collections.abc import AsyncIterator
from typing import Protocol, runtime_checkable

from .errors import ModelLost
from .reply import ModelReply, Piece
from .request import ModelRequest


class Model(Protocol):
    def stream(self, request: ModelRequest) -> AsyncIterator[Piece | ModelReply]:
        """Pieces as they come, and at the end the reply, which holds all of it. Raises one of `errors`.

        The first is BEGUN, with the first that is heard, be it a thought that nobody is shown: from there on the call
        may be charged for, whatever error ends it.
        """
        ...


@runtime_checkable
class CountsTokens(Protocol):
    """What a model can do that has its tokens at hand."""

    async def count(self, request: ModelRequest) -> int:
        """How many tokens it would read. Exact, and without a charge."""
        ...


async def complete(model: Model, request: ModelRequest) -> ModelReply:
    """The reply alone."""
    reply = None
    async for said in model.stream(request):  # to its end: who leaves a stream early leaves its connection open
        if isinstance(said, ModelReply):
            reply = said
    if reply is None:
        raise ModelLost(f"{request.model} ended without a reply: ask again.")
    return reply
