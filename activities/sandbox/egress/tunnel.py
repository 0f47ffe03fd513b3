"""A CONNECT tunnel: bytes in both directions, once the first of them ask for the server that it was opened for.

To port 443 they must be TLS. To other ports they may be anything (SSH, a database), but where they are TLS the name
is compared as well. What a client says after its greeting is between it and the server: where one server serves many
names, the code can ask it for another one inside TLS, and no proxy that does not break TLS can tell.
"""

import asyncio
from datetime import timedelta

from .hello import HANDSHAKE, BadHello, read_hello
from .relay import Relay, both
from .rules import Refused, is_address, shown

HTTPS = 443
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


async def tunnel(relay: Relay, begun: bytes, time: timedelta) -> None:
    """Until both ends have ended; one that ends alone may still listen. `begun` came with the CONNECT."""

    async def up() -> None:
        await relay.to_server(await _greeting(relay, begun, time))
        while data := await relay.from_client():
            await relay.to_server(data)
        relay.server.finish()

    async def down() -> None:
        while data := await relay.from_server():
            await relay.to_client(data)
        relay.client.finish()

    await relay.to_client(ESTABLISHED)
    await both(up(), down())


async def _greeting(relay: Relay, begun: bytes, time: timedelta) -> bytes:
    visit = relay.visit
    must_be_tls = visit.port == HTTPS
    try:
        async with asyncio.timeout(time.total_seconds() if must_be_tls else None):
            return await _checked(relay, begun, must_be_tls)
    except TimeoutError:
        visit.allowed = False
        raise Refused(f"No TLS greeting to `{visit.host}:{visit.port}` came in time.") from None
    except Refused:
        visit.allowed = False
        raise


async def _checked(relay: Relay, data: bytes, must_be_tls: bool) -> bytes:
    to = f"The TLS greeting to `{relay.visit.host}:{relay.visit.port}`"
    while True:
        if data and data[0] != HANDSHAKE and not must_be_tls:
            return data
        try:
            hello = read_hello(data)
        except BadHello as error:
            raise Refused(f"{to} {error}.") from error
        if hello is not None:
            _check_name(hello.server_name, relay.visit.host, to)
            return data
        more = await relay.from_client()
        if not more:
            if data:
                raise Refused(f"{to} ends in the middle.")
            return data
        data += more


def _check_name(name: str | None, host: str, to: str) -> None:
    if name is None and not is_address(host):
        raise Refused(f"{to} does not name the server (SNI): switch that on.")
    if name is not None and name.lower() != host:
        raise Refused(f"{to} names `{shown(name)}` instead: make them the same.")
