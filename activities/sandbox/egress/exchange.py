"""One plain HTTP request and its answer.

Both are taken apart and put together again by h11: no byte of the client reaches the server in the client's own
framing, so a second request hidden in the first stays a body. There is one request to a connection.
"""

import h11

from .relay import Relay, until_second
from .request import end_to_end
from .rules import Refused, shown

CLOSE = (b"Connection", b"close")


async def exchange(relay: Relay, client: h11.Connection, onward: h11.Request) -> None:
    server = h11.Connection(h11.CLIENT)
    try:
        await until_second(_ask(relay, client, server, onward), _answer(relay, client, server))
    except h11.ProtocolError as error:
        said = shown(str(error))
        if client.their_state is h11.ERROR:
            raise Refused(f"The body of the request is not what its headers say: {said}.", 400) from error
        raise Refused(f"`{relay.visit.host}:{relay.visit.port}` answered what is no HTTP: {said}.", 502) from error


async def _ask(relay: Relay, client: h11.Connection, server: h11.Connection, onward: h11.Request) -> None:
    await relay.to_server(server.send(onward))
    while True:
        event = client.next_event()
        match event:
            case h11.NEED_DATA:
                client.receive_data(await relay.from_client())
            case h11.Data():
                await relay.to_server(server.send(h11.Data(data=bytes(event.data))))
            case _:
                await relay.to_server(server.send(h11.EndOfMessage()))
                return


async def _answer(relay: Relay, client: h11.Connection, server: h11.Connection) -> None:
    while True:
        event = server.next_event()
        match event:
            case h11.NEED_DATA:
                server.receive_data(await relay.from_server())
            case h11.InformationalResponse() if client.their_http_version == b"1.0":
                continue  # it does not know that there is such a thing
            case h11.InformationalResponse():
                informed = h11.InformationalResponse(
                    status_code=event.status_code, headers=end_to_end(event.headers.raw_items()), reason=event.reason
                )
                await relay.to_client(client.send(informed))
            case h11.Response():
                headers = [*end_to_end(event.headers.raw_items()), CLOSE]
                answered = h11.Response(status_code=event.status_code, headers=headers, reason=event.reason)
                await relay.to_client(client.send(answered))
            case h11.Data():
                await relay.to_client(client.send(h11.Data(data=bytes(event.data))))
            case _:
                await relay.to_client(client.send(h11.EndOfMessage()))
                return
