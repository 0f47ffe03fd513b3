"""Ids of messages: UUIDs of version 7, whose first bits are the time, so that they sort as they were made.

An id names a message for ever. What a turn sends gets ids that are derived from the message being handled: when
the turn is done again after a crash, it sends the same messages and not new ones.
"""

import hashlib
import random
import time
from uuid import UUID

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
_RANDOM_A = 0xFFF << 64
_RANDOM_B = (1 << 62) - 1


def new_id() -> UUID:
    return at(time.time_ns() // 1_000_000, random.getrandbits(80))  # unique is enough, secret it need not be


def derived_id(cause: UUID, step: str) -> UUID:
    """The same for the same cause and step; with the time of the cause."""
    digest = hashlib.blake2b(step.encode(), key=cause.bytes, digest_size=10).digest()
    return at(cause.int >> 80, int.from_bytes(digest))


def at(milliseconds: int, bits: int) -> UUID:
    return UUID(
        int=(milliseconds & 0xFFFF_FFFF_FFFF) << 80 | _VERSION | (bits & _RANDOM_A) | _VARIANT | (bits & _RANDOM_B)
    )
