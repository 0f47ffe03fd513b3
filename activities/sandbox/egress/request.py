"""Reads what a client asks the proxy for, strictly: what two readers could read in two ways is refused.

h11 does the grammar; here stands what a proxy must add. The name in the target is the one that counts, and `Host` must
say the same, because the server goes by `Host` and the rules went by the target.
"""

import re
from asyncio import StreamReader
from collections.abc import Iterable
from dataclasses import dataclass

import h11

from .dial import CHUNK
from .meter import Visit
from .rules import Refused, name_of, shown

Headers = list[tuple[bytes, bytes]]

# Between two neighbours only: a proxy does not hand them on.
_OURS = {
    b"connection", b"host", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
    b"trailer", b"upgrade",
}  # fmt: skip
_FRAMING = {b"content-length", b"transfer-encoding"}
_AUTHORITY = re.compile(r"(?P<host>[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
_ABSOLUTE = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[^#]*)")


@dataclass(frozen=True)
class Asked:
    host: str  # in its one spelling
    port: int
    is_tunnel: bool
    onward: h11.Request | None  # for the server; None: a tunnel


async def read_request(reader: StreamReader, client: h11.Connection, visit: Visit) -> Asked | None:
    """None: the client closed without asking for anything."""
    try:
        while (event := client.next_event()) is h11.NEED_DATA:
            client.receive_data(await reader.read(CHUNK))
        if not isinstance(event, h11.Request):
            return None
        return (_tunnel if event.method == b"CONNECT" else _plain)(event, visit)
    except h11.ProtocolError as error:
        status = error.error_status_hint
        raise Refused(f"This is no request that a proxy understands: {shown(str(error))}.", status) from error


def _tunnel(request: h11.Request, visit: Visit) -> Asked:
    host, port = _authority(request.target.decode("ascii"), visit)
    if port is None:
        raise Refused(f"CONNECT to `{shown(host)}` has no port: write it as in example.org:443.", 400)
    if _FRAMING & {name for name, _ in request.headers}:
        raise Refused("CONNECT has no body: leave Content-Length and Transfer-Encoding out.", 400)
    # Some clients leave the port out here, and HTTP/1.0 the whole header; nobody but us will ever read it.
    _same_host(request.headers, host, {port, None}, port)
    return Asked(host, port, True, None)


def _plain(request: h11.Request, visit: Visit) -> Asked:
    parts = _ABSOLUTE.fullmatch(request.target.decode("ascii"))
    if parts is None or parts["scheme"].lower() != "http":
        said = "This is a proxy: ask it for http://host/path, or CONNECT to host:port for anything else."
        raise Refused(said, 400)
    host, given = _authority(parts["authority"], visit)
    port = visit.port = given or 80
    _same_host(request.headers, host, {port, None} if port == 80 else {port}, port)
    _one_framing(request.headers)
    path = parts["path"] or "/"
    target = path if path.startswith("/") else f"/{path}"
    own = [(b"Host", (host if port == 80 else f"{host}:{port}").encode()), (b"Connection", b"close")]
    headers = [*own, *end_to_end(request.headers.raw_items())]
    return Asked(host, port, False, h11.Request(method=request.method, target=target.encode(), headers=headers))


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Without those that are between two neighbours only. What frames the body stays, whatever `Connection` says."""
    kept = list(headers)
    said = b",".join(value for name, value in kept if name.lower() == b"connection")
    named = {word.strip().lower() for word in said.split(b",")}
    dropped = _OURS | (named - _FRAMING)
    return [(name, value) for name, value in kept if name.lower() not in dropped]


def _authority(text: str, visit: Visit) -> tuple[str, int | None]:
    visit.host = shown(text)
    if "@" in text:
        raise Refused(f"`{shown(text)}` has user information before the host: leave it out.", 400)
    parts = _AUTHORITY.fullmatch(text)
    if parts is None:
        what = "is an IPv6 address: ask for a name" if text.startswith("[") else "is not a host and port"
        raise Refused(f"`{shown(text)}` {what}, as in example.org:443.", 403 if text.startswith("[") else 400)
    port = None if parts["port"] is None else int(parts["port"])
    if port is not None and not 0 < port < 65_536:
        raise Refused(f"`{shown(text)}` has no port between 1 and 65535.", 400)
    visit.host, visit.port = name_of(parts["host"]), port or 0
    return visit.host, port


def _same_host(headers: Iterable[tuple[bytes, bytes]], host: str, ports: set[int | None], port: int) -> None:
    for value in (value for name, value in headers if name == b"host"):
        parts = _AUTHORITY.fullmatch(value.decode("latin-1"))
        given = None if parts is None or parts["port"] is None else int(parts["port"])
        if parts is None or given not in ports or name_of(parts["host"]) != host:
            said = f"The Host header says `{shown(value.decode('latin-1'))}` and the request `{host}:{port}`"
            raise Refused(f"{said}: make them the same.", 400)


def _one_framing(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """h11 takes one of two answers to where the body ends; a server behind us may take the other."""
    names = [name for name, _ in headers if name in _FRAMING]
    if len(names) > 1:
        raise Refused("The request says twice how long its body is: leave one out.", 400)
