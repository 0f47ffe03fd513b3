"""Whatever bytes come as a request, they are read in one way or refused in words."""

import asyncio

import h11
from hypothesis import given
from hypothesis import strategies as st
from resprout.activities.sandbox.egress.meter import Visit
from resprout.activities.sandbox.egress.request import Asked, read_request
from resprout.activities.sandbox.egress.rules import Refused, name_of

PIECES = [
    "GET",
    "POST",
    "CONNECT",
    "http://",
    "https://",
    "shop.test",
    "evil.test",
    ":80",
    ":443",
    "@",
    "/",
    "?",
    "#",
    "\\",
    ".",
    "..",
    "%00",
    "[::1]",
    "127.1",
    "|",
    "HTTP/1.1",
    "HTTP/1.0",
    "Host:",
    "Connection:",
    "Content-Length:",
    "Transfer-Encoding:",
    "chunked",
    "5",
    "0",
    "-1",
    ",",
    ";",
    "Upgrade:",
    "x",
    "é",
]
SEPARATORS = [" ", "\r\n", "\n", "\r", "\t", "\0", "", "\r\n\r\n"]
HEADS = st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(SEPARATORS)).map("".join), max_size=14).map("".join)
REQUESTS = st.builds(
    "{} {}{} HTTP/1.1\r\nHost: {}\r\n{}\r\n\r\n".format,
    st.sampled_from(["GET", "CONNECT", "POST"]),
    st.sampled_from(["http://", ""]),
    *[st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map("".join)] * 2,
    HEADS,
)


async def read(data: bytes) -> Asked | Refused | None:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    try:
        return await read_request(reader, h11.Connection(h11.SERVER), Visit())
    except Refused as refused:
        return refused


def is_one_reading(found: Asked | Refused | None) -> bool:
    """Plain text in a refusal, one spelling of the host, and an onward request that says the same."""
    if isinstance(found, Refused):
        return str(found).isprintable() and str(found).isascii()
    if found is None or found.onward is None:
        return found is None or name_of(found.host) == found.host
    hosts = [value.decode() for name, value in found.onward.headers if name == b"host"]
    return hosts == [found.host if found.port == 80 else f"{found.host}:{found.port}"]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_in_one_way_or_refused(data: bytes) -> None:
    assert is_one_reading(asyncio.run(read(data)))


@given(HEADS | REQUESTS)
def test_any_mix_of_the_words_of_http_is_read_in_one_way_or_refused(text: str) -> None:
    assert is_one_reading(asyncio.run(read(text.encode())))


async def test_what_is_asked_for_is_read() -> None:
    found = await read(b"GET http://Shop.Test.:8080/a HTTP/1.1\r\nHost: shop.test:8080\r\nX-A: 1\r\n\r\n")

    assert isinstance(found, Asked)
    assert (found.host, found.port, found.is_tunnel) == ("shop.test", 8080, False)
    assert found.onward is not None
    assert found.onward.target == b"/a"
