"""One call to a provider, whichever: its events until the end, within its time, and every failure as one of ours.

The invariant: an answer counts only when its end was heard. What broke off may read like a whole answer, and half of a
tool's arguments may be valid.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Protocol

from pydantic import ValidationError

from ...actors.models import BEGUN, ModelReply, Piece
from .failures import Failures, Translate


class Hearing(Protocol):
    """What was heard so far."""

    @property
    def is_over(self) -> bool: ...

    def hear(self, event: object) -> Iterator[str]:
        """Text for who watches. Raises ValidationError over what is not of the protocol."""
        ...

    def reply(self) -> ModelReply: ...


class Stream(Protocol):
    def __aiter__(self) -> AsyncIterator[object]: ...

    async def close(self) -> None: ...


class Garbled(Exception):
    """It is not the protocol that is spoken."""


class Begun:
    """A call whose headers have come."""

    def __init__(self, stream: Stream, content_type: str) -> None:
        if not content_type.startswith("text/event-stream"):
            raise Garbled
        self._stream = stream

    def events(self) -> AsyncIterator[object]:
        return aiter(self._stream)

    async def aclose(self) -> None:
        await self._stream.close()


async def exchange(
    begin: Callable[[], Awaitable[Begun]], hearing: Hearing, failures: Failures, translate: Translate
) -> AsyncIterator[Piece | ModelReply]:
    deadline = asyncio.get_running_loop().time() + failures.request.timeout_seconds
    failure, is_begun = None, False
    try:
        async with asyncio.timeout_at(deadline):
            begun = await begin()
        async with aclosing(begun):
            async for event in _until(deadline, begun.events()):
                pieces = [Piece(text=text) for text in hearing.hear(event)]
                for piece in pieces if is_begun else [BEGUN, *pieces]:
                    yield piece
                is_begun = True
        if hearing.is_over:
            yield hearing.reply()
        else:
            failure = failures.cut()
    except TimeoutError:
        failure = failures.timed_out()
    except (ValidationError, Garbled, ValueError):
        failure = failures.garbled()
    except Exception as error:
        failure = translate(error, failures)
        if failure is None:
            raise
    if failure is not None:
        # Out here, so that no context leads from it to the provider's request and answer.
        raise failure


async def _until(deadline: float, events: AsyncIterator[object]) -> AsyncIterator[object]:
    """The time-out is around what we wait for, not around what the reader of our pieces does with them."""
    while True:
        async with asyncio.timeout_at(deadline):
            event = await anext(events, None)
        if event is None:
            return
        yield event
