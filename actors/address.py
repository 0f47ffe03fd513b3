"""The address of an agent, `kind/key`: like a row, an agent always exists; a message activates it."""

import re
from dataclasses import dataclass

from .errors import BadAddress

_KIND = re.compile(r"[a-z][a-z0-9._-]{0,62}")
_LONGEST_KEY = 200


@dataclass(frozen=True, order=True)
class AgentAddress:
    kind: str
    key: str

    def __post_init__(self) -> None:
        if not _KIND.fullmatch(self.kind):
            raise BadAddress(
                f"{self.kind!r} is not an agent kind: lower-case letters, digits and . _ -, beginning with a letter."
            )
        if not 1 <= len(self.key) <= _LONGEST_KEY or not self.key.isprintable():
            raise BadAddress(f"{self.key!r} is not an agent key: 1 to {_LONGEST_KEY} printable characters.")

    @classmethod
    def parse(cls, text: str) -> "AgentAddress":
        kind, slash, key = text.partition("/")
        if not slash:
            raise BadAddress(f"{text!r} is not an agent address: write kind/key, as in greeter/ada.")
        return cls(kind, key)

    def __str__(self) -> str:
        return f"{self.kind}/{self.key}"
