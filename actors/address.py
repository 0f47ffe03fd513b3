"""The address of an agent, `kind/key`: like a row, an agent always exists; a message activates it."""

import re
from functools import lru_cache
from typing import NamedTuple

from .errors import BadAddress

_KIND = re.compile(r"[a-z][a-z0-9._-]{0,62}")
LONGEST_KEY = 200


class AgentAddress(NamedTuple):
    kind: str
    key: str

    @classmethod
    def of(cls, kind: str, key: str) -> "AgentAddress":
        if not isinstance(kind, str) or not _KIND.fullmatch(kind):
            raise BadAddress(
                f"{kind!r} is not an agent kind: lower-case letters, digits and . _ -, beginning with a letter."
            )
        if not isinstance(key, str) or not 1 <= len(key) <= LONGEST_KEY or not key.isprintable():
            raise BadAddress(f"{key!r} is not an agent key: 1 to {LONGEST_KEY} printable characters.")
        return cls(kind, key)

    @classmethod
    def parse(cls, text: str) -> "AgentAddress":
        if not isinstance(text, str):
            raise BadAddress(f"{text!r} is not an agent address: write a text kind/key, as in 'greeter/ada'.")
        return _parse(text)

    def __str__(self) -> str:
        return f"{self.kind}/{self.key}"


@lru_cache(maxsize=16_384)
def _parse(text: str) -> AgentAddress:
    kind, slash, key = text.partition("/")
    if not slash:
        raise BadAddress(f"{text!r} is not an agent address: write kind/key, as in greeter/ada.")
    try:
        return AgentAddress.of(kind, key)
    except BadAddress as error:
        raise BadAddress(f"{text!r} is not an agent address: {error}") from None
