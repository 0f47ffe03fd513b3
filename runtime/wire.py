"""How callers and hosts talk: frames over TCP, many messages in each.

A frame is its length (4 bytes), a letter and JSON. A caller first shows the cluster's secret (`H`), then sends
envelopes (`E`) and questions (`Q`); the host sends outcomes (`O`) and answers (`A`), in any order, each under the
number that the caller gave. Nobody waits to fill a frame: what was said in one turn of the loop goes out together.
"""

import struct
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter

from ..actors.shards import View

HEAD = struct.Struct("!IB")
LARGEST_FRAME = 64_000_000
MOST_IN_FRAME = 500

HELLO, ENVELOPES, OUTCOMES, QUESTION, ANSWER = b"HEOQA"

VIEW: TypeAdapter[View] = TypeAdapter(View)
WORDS: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


class BadFrame(Exception):
    """The other side does not speak our language."""


class Frames:
    """Cuts what arrives into frames."""

    def __init__(self) -> None:
        self.buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        self.buffer += data
        start = 0
        while len(self.buffer) - start >= HEAD.size:
            length, letter = HEAD.unpack_from(self.buffer, start)
            if length > LARGEST_FRAME:
                raise BadFrame(f"a frame of {length:,} bytes")
            end = start + HEAD.size + length
            if len(self.buffer) < end:
                break
            yield letter, bytes(self.buffer[start + HEAD.size : end])
            start = end
        del self.buffer[:start]


def frame(letter: int, payload: bytes) -> bytes:
    return HEAD.pack(len(payload), letter) + payload
