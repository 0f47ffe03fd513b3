"""Bounds on waiting for what others do. Who has waited in vain gets a sentence, not a bare TimeoutError."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .backend import NoSandbox


@asynccontextmanager
async def patience(seconds: float, otherwise: str) -> AsyncIterator[None]:
    """`otherwise`: what is said when it is over, with the remedy."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise NoSandbox(otherwise) from None
