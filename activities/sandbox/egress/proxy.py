"""Serves the connections of one run: reads what is asked for, decides, dials, carries, and puts it on record.

A refusal is told in words while that is possible (before a tunnel or an answer has begun): in the status line, in the
body and in a header. After that the connection is cut. Either way it is audited, and so is one that asked for nothing.
"""

import asyncio
from asyncio import StreamReader, StreamWriter

import h11

from .dial import CHUNK, Dialler, Resolve
from .exchange import exchange
from .hello import UNRECOGNIZED_NAME
from .meter import Audit, Meter, Visit
from .relay import End, Idle, Relay, cut
from .request import Asked, read_request
from .rules import Refused, Rules
from .tunnel import tunnel

REFUSED = "X-Resprout-Refused"
LINGERS = 2.0  # seconds for the client to read why, while it may still be sending


class Proxy:
    def __init__(self, rules: Rules, meter: Meter, resolve: Resolve, audit: Audit) -> None:
        self._rules = rules
        self._meter = meter
        self._bounds = meter.bounds
        self._dialler = Dialler(rules, resolve, meter.bounds.dial_time)
        self._audit = audit

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        visit = Visit()
        with self._meter.counted() as is_answered:
            try:
                if is_answered:
                    await self._serve(End(reader, writer), visit)
            except OSError as error:
                visit.end(f"The connection broke: {error}.")
            except asyncio.CancelledError:
                visit.end("The run ended.")
                raise
            finally:
                cut(writer)
                if is_answered:
                    self._audit(visit.record())

    async def _serve(self, client: End, visit: Visit) -> None:
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=self._bounds.head)
        try:
            asked = await self._asked(client, http, visit)
            if asked is None:
                visit.end("Nothing was asked for.")
                return
            server = await self._dialled(asked, visit)
        except Refused as refused:
            visit.end(str(refused))
            await _farewell(client, _refusal(refused))
            return
        try:
            await self._carry(client, server, http, asked, visit)
        finally:
            cut(server.writer)

    async def _asked(self, client: End, http: h11.Connection, visit: Visit) -> Asked | None:
        self._meter.enter()
        time = self._bounds.head_time.total_seconds()
        try:
            async with asyncio.timeout(time):
                asked = await read_request(client.reader, http, visit)
        except TimeoutError:
            raise Refused(f"No whole request came in {time:g} s.", 408) from None
        if asked is not None:
            self._rules.check(asked.host, asked.port)
        return asked

    async def _dialled(self, asked: Asked, visit: Visit) -> End:
        reader, writer, address = await self._dialler.dial(asked.host, asked.port)
        visit.address = str(address)
        visit.allowed = True
        return End(reader, writer)

    async def _carry(self, client: End, server: End, http: h11.Connection, asked: Asked, visit: Visit) -> None:
        try:
            async with Idle(self._bounds.idle_time.total_seconds()) as idle:
                relay = Relay(client, server, self._meter, visit, idle)
                if asked.onward is None:
                    await tunnel(relay, http.trailing_data[0], self._bounds.head_time)
                else:
                    await exchange(relay, http, asked.onward)
                await client.flush()
            visit.end("")
        except Refused as refused:
            visit.end(str(refused))
            if asked.is_tunnel and not visit.allowed:
                await _farewell(client, UNRECOGNIZED_NAME)
            elif http.our_state in (h11.IDLE, h11.SEND_RESPONSE) and not asked.is_tunnel:
                await _farewell(client, _refusal(refused))


def _refusal(refused: Refused) -> bytes:
    said = str(refused)
    body = f"{said}\n".encode()
    head = (
        f"HTTP/1.1 {refused.status} {said}",  # some clients show nothing but this line
        f"{REFUSED}: {said}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    return "\r\n".join((*head, "", "")).encode() + body


async def _farewell(client: End, last: bytes) -> None:
    """A socket that is closed with something unread takes back what was written: so what still comes is read."""
    try:
        async with asyncio.timeout(LINGERS):
            client.writer.write(last)
            client.finish()
            while await client.reader.read(CHUNK):
                pass
    except OSError:  # it waits no more, or it did so for too long
        return
