"""Reads which server a TLS client asks for, from the first bytes that it sends: pure, no I/O.

Everything here was written by untrusted code. What has two readings is refused: a name given twice, an extension given
twice, lengths that do not add up, a name that is encrypted (ECH) and may be another one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

HANDSHAKE = 22  # the first byte of a TLS connection
LONGEST = 1 << 15  # with post-quantum keys a hello has 2 KB
UNRECOGNIZED_NAME = bytes((21, 3, 3, 0, 2, 2, 112))  # the alert that tells a client why, in its own language

_CLIENT_HELLO = 1
_RECORD_HEAD = 5
_LARGEST_RECORD = 1 << 14
_SERVER_NAME = 0
_ENCRYPTED = (0xFE0D, 0xFFCE)  # ECH and the draft before it


class BadHello(ValueError):
    """It is no ClientHello with one readable meaning; the text ends the sentence "the TLS greeting …"."""


@dataclass(frozen=True)
class Hello:
    server_name: str | None


def read_hello(data: bytes) -> Hello | None:
    """None: it goes on in bytes that have not come yet."""
    message = _message(data)
    return None if message is None else _hello(_Bytes(message))


def _message(data: bytes) -> bytes | None:
    """The first handshake message, out of as many records as it was cut into."""
    message, at = bytearray(), 0
    while len(data) - at >= _RECORD_HEAD:
        size = int.from_bytes(data[at + 3 : at + 5])
        if data[at] != HANDSHAKE or data[at + 1] != 3 or not 0 < size <= _LARGEST_RECORD:
            raise BadHello("is not TLS")
        message += data[at + _RECORD_HEAD : at + _RECORD_HEAD + size]
        at += _RECORD_HEAD + size
        if message[0:1] not in (b"", bytes((_CLIENT_HELLO,))):
            raise BadHello("does not begin with a ClientHello")
        whole = 4 + int.from_bytes(message[1:4]) if len(message) >= 4 else LONGEST
        if whole > LONGEST:
            raise BadHello(f"is longer than {LONGEST:,} bytes")
        if len(message) >= whole:
            return bytes(message[4:whole])
    if data and data[0] != HANDSHAKE:
        raise BadHello("is not TLS")
    if len(data) > 2 * LONGEST:
        raise BadHello("is cut into too many records")
    return None


class _Bytes:
    """What is left to read of it."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def take(self, size: int) -> bytes:
        if size > len(self._data):
            raise BadHello("ends too early")
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def block(self, size: int) -> "_Bytes":
        """What follows a length of `size` bytes."""
        return _Bytes(self.take(self.number(size)))

    def __bool__(self) -> bool:
        return bool(self._data)

    def rest(self) -> bytes:
        return self.take(len(self._data))


def _hello(message: _Bytes) -> Hello:
    message.take(2 + 32)  # version, random
    for size in (1, 2, 1):  # session, ciphers, compression
        message.block(size)
    extensions = dict[int, _Bytes]()
    for kind, content in _extensions(message):
        if kind in extensions:
            raise BadHello(f"has extension {kind} twice")
        extensions[kind] = content
    if any(kind in extensions for kind in _ENCRYPTED):
        raise BadHello("hides the server's name (encrypted ClientHello): switch that off")
    named = extensions.get(_SERVER_NAME)
    return Hello(None if named is None else _name(named))


def _extensions(message: _Bytes) -> Iterator[tuple[int, _Bytes]]:
    if not message:
        return
    block = message.block(2)
    if message:
        raise BadHello("goes on after its end")
    while block:
        yield block.number(2), block.block(2)


def _name(extension: _Bytes) -> str:
    names = extension.block(2)
    kind, name = names.number(1), names.block(2).rest()
    if kind != 0 or names or extension:
        raise BadHello("names more than one server, or none")
    if not name or not name.isascii():
        raise BadHello("has a server name that is not ASCII")
    return name.decode("ascii")
