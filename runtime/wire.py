"""How callers and hosts talk: frames over TCP, many messages in each.

A frame is its length (4 bytes), a letter and JSON. A caller first shows the cluster's secret (`H`), then sends
envelopes (`E`) and questions (`Q`); the host sends outcomes (`O`) and answers (`A`), in any order, each under the
number that the caller gave. Nobody waits to fill a frame: what was said in one turn of the loop goes out together,
in frames of about a megabyte: one that is too large would be refused, and with it everybody who is in it.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from pydantic import TypeAdapter

from ..actors.shards import View

HEAD = struct.Struct("!IB")
LARGEST_FRAME = 16_000_000  # more than one message or reply can have, however much of it must be escaped
LARGEST_HELLO = 1_000  # as long as nobody has shown the secret, nothing larger is kept
FRAME_BYTES = 1_000_000  # a frame is cut when it has so many
MOST_IN_FRAME = 500

HELLO, ENVELOPES, OUTCOMES, QUESTION, ANSWER = b"HEOQA"

VIEW: TypeAdapter[View] = TypeAdapter(View)
WORDS: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


Item = TypeVar("Item")


class BadFrame(Exception):
    """The other side does not speak our language."""


class Frames:
    """Cuts what arrives into frames."""

    def __init__(self, largest: int = LARGEST_FRAME) -> None:
        self.largest = largest
        self.buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        self.buffer += data
        start = 0
        while len(self.buffer) - start >= HEAD.size:
            length, letter = HEAD.unpack_from(self.buffer, start)
            if length > self.largest:
                raise BadFrame(f"a frame of {length:,} bytes, where {self.largest:,} are the most")
            end = start + HEAD.size + length
            if len(self.buffer) < end:
                break
            yield letter, bytes(self.buffer[start + HEAD.size : end])
            start = end
        del self.buffer[:start]


def in_frames(items: list[Item], size_of: Callable[[Item], int]) -> Iterator[list[Item]]:
    """Cuts what goes out into what fits a frame."""
    part: list[Item] = []
    size = 0
    for item in items:
        if part and (len(part) >= MOST_IN_FRAME or size + size_of(item) > FRAME_BYTES):
            yield part
            part, size = [], 0
        part.append(item)
        size += size_of(item)
    if part:
        yield part


def frame(letter: int, payload: bytes) -> bytes:
    return HEAD.pack(len(payload), letter) + payload
