"""How the engine sends two streams over one connection: a header of 8 bytes (which one, how long), then its bytes."""

import asyncio
from collections.abc import AsyncIterator

from ..backend import StreamName

_NAMES: dict[int, StreamName] = {1: "stdout", 2: "stderr"}


async def frames(reader: asyncio.StreamReader) -> AsyncIterator[tuple[StreamName, bytes]]:
    """Until the other side is done. A frame may come in several pieces; none is held back to be completed."""
    while True:
        try:
            header = await reader.readexactly(8)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        name, left = _NAMES.get(header[0], "stdout"), int.from_bytes(header[4:], "big")
        while left:
            piece = await reader.read(min(left, 1 << 16))
            if not piece:
                return
            left -= len(piece)
            yield name, piece
