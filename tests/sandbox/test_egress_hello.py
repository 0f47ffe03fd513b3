"""Which server a TLS client asks for."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resprout.activities.sandbox.egress.hello import LONGEST, BadHello, Hello, read_hello
from support.gates import greeting

REAL = greeting("shop.test")


def records(message: bytes, size: int) -> bytes:
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(bytes((22, 3, 1)) + len(piece).to_bytes(2) + piece for piece in pieces)


def hello(*extensions: tuple[int, bytes]) -> bytes:
    """A small one, with what a test wants in it."""
    block = b"".join(kind.to_bytes(2) + len(body).to_bytes(2) + body for kind, body in extensions)
    inner = b"\x03\x03" + bytes(32) + b"\0" + b"\0\x02\x13\x01" + b"\x01\0" + len(block).to_bytes(2) + block
    return records(b"\x01" + len(inner).to_bytes(3) + inner, 1 << 14)


def named(*names: bytes, kind: int = 0) -> tuple[int, bytes]:
    entries = b"".join(bytes((kind,)) + len(name).to_bytes(2) + name for name in names)
    return 0, len(entries).to_bytes(2) + entries


@pytest.mark.parametrize("alpn", [(), ("h2", "http/1.1")])
def test_the_name_in_a_real_greeting_is_read(alpn: tuple[str, ...]) -> None:
    assert read_hello(greeting("shop.test", alpn=alpn)) == Hello("shop.test")


def test_a_real_greeting_without_a_name_has_none() -> None:
    assert read_hello(greeting(None)) == Hello(None)


@given(st.integers(1, 600))
def test_a_greeting_cut_into_records_is_the_same_greeting(size: int) -> None:
    assert read_hello(records(REAL[5:], size)) == Hello("shop.test")


@given(st.integers(0, len(REAL) - 1))
def test_the_beginning_of_a_greeting_waits_for_the_rest(size: int) -> None:
    assert read_hello(REAL[:size]) is None


def test_what_follows_the_greeting_is_not_looked_at() -> None:
    assert read_hello(REAL + b"anything") == Hello("shop.test")


@given(st.binary(max_size=400))
def test_any_bytes_are_a_greeting_or_refused_or_wait(data: bytes) -> None:
    with suppress(BadHello):
        read_hello(data)


@given(st.integers(0, len(REAL) - 1), st.integers(0, 255))
def test_a_greeting_with_one_wrong_byte_is_read_or_refused_or_waits(at: int, byte: int) -> None:
    with suppress(BadHello):
        read_hello(REAL[:at] + bytes((byte,)) + REAL[at + 1 :])


TWO_READINGS = {
    "two names": hello(named(b"shop.test", b"evil.test")),
    "the name twice": hello(named(b"shop.test"), named(b"evil.test")),
    "a name of another kind": hello(named(b"shop.test", kind=1)),
    "an empty name": hello(named(b"")),
    "an empty list": hello(named()),
    "a name that is not ASCII": hello(named("shöp.test".encode())),
    "encrypted": hello(named(b"shop.test"), (0xFE0D, b"\0")),
    "encrypted, as drafted": hello(named(b"shop.test"), (0xFFCE, b"\0")),
    "a list that ends early": hello((0, b"\0\x20\0\0\x04shop")),
    "more after the list": hello((0, named(b"shop.test")[1] + b"\0")),
}


@pytest.mark.parametrize("data", TWO_READINGS.values(), ids=TWO_READINGS.keys())
def test_a_greeting_with_two_readings_is_refused(data: bytes) -> None:
    with pytest.raises(BadHello):
        read_hello(data)


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n", b"SSH-2.0-OpenSSH", b"\x80\x2e\x01\x03\x01", b"\x16\x02\0\0\x01\0"]
)
def test_what_is_not_tls_is_refused(data: bytes) -> None:
    with pytest.raises(BadHello):
        read_hello(data)


@pytest.mark.parametrize("data", [b"\x16\x03\x01\0\0", records(b"\x02" + bytes(40), 20), b"\x16\x03\x01\xff\xff"])
def test_an_empty_record_or_another_message_or_a_record_too_long_is_refused(data: bytes) -> None:
    with pytest.raises(BadHello):
        read_hello(data)


def test_a_greeting_that_never_ends_is_refused() -> None:
    endless = b"\x01" + (LONGEST - 4).to_bytes(3) + bytes(LONGEST)

    with pytest.raises(BadHello, match="longer"):
        read_hello(records(b"\x01\xff\xff\xff", 100))
    with pytest.raises(BadHello, match="too many records"):
        read_hello(records(endless[: LONGEST - 1], 1))
