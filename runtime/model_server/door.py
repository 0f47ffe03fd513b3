"""The address of the model: takes connections at once, and hands their bytes to the engine when it is loaded.

Nothing is read of what goes through. The first side that ends ends both: a caller who leaves is thereby seen by the
engine, which stops at the next token.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress

from .engine import Engine, LoadFailed

LOOPBACK = "127.0.0.1"
CHUNK = 65_536


class Door:
    def __init__(self, engine: Engine, on_failure: Callable[[str], None]) -> None:
        self.engine = engine
        self.on_failure = on_failure

    async def listen(self, port: int) -> asyncio.Server:
        return await asyncio.start_server(self._pass, LOOPBACK, port)

    async def _pass(self, caller_reads: asyncio.StreamReader, caller: asyncio.StreamWriter) -> None:
        asked = await _begun(caller_reads)
        if not asked:  # somebody only looked whether the door is there: no reason to load
            await _closed(caller)
            return
        try:
            port = await self.engine.port()
            engine_reads, engine = await asyncio.open_connection(LOOPBACK, port)
        except (LoadFailed, OSError) as error:
            self.on_failure(str(error))
            caller.write(_refusal(str(error)))
            await _closed(caller)
            return
        engine.write(asked)
        ways = {asyncio.create_task(_carry(caller_reads, engine)), asyncio.create_task(_carry(engine_reads, caller))}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await _closed(engine)
            await _closed(caller)


async def _begun(caller_reads: asyncio.StreamReader) -> bytes:
    with suppress(ConnectionError):
        return await caller_reads.read(CHUNK)
    return b""


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while chunk := await source.read(CHUNK):
            target.write(chunk)
            await target.drain()


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def _refusal(reason: str) -> bytes:
    body = json.dumps({"error": {"code": 500, "type": "server_error", "message": reason}}).encode()
    head = f"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{head}\r\nConnection: close\r\n\r\n".encode() + body
