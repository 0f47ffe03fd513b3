"""What is kept of a message that was handled: the mark by which the same one, come again, gets its reply.

The invariant: an id names one message. Another one under the same id is refused in words, never answered with the
reply of the first. What turns and steps of runs send is made anew whenever they are done again, and may come out
otherwise, a time or a model's words in it: of these only the type is compared.
"""

from typing import NamedTuple
from zlib import crc32

from .envelope import Envelope, Replied
from .errors import IdTaken


class Mark(NamedTuple):
    reply: Replied
    type: str | None = None  # None in rows of the first version, which did not keep it
    digest: int | None = None  # None in rows of older code

    def reply_to(self, envelope: Envelope) -> Replied:
        """Raises IdTaken."""
        refuse_another(envelope, self.type, self.digest)
        return self.reply


def digest_of(version: int, body: str) -> int:
    """Tells a mistake from a repetition, no forgery; and costs a fraction of a microsecond, once for each turn."""
    return version << 32 | crc32(body.encode())


def refuse_another(envelope: Envelope, type: str | None, digest: int | None) -> None:  # noqa: A002
    """If the message that came first under this id was another one."""
    if type is not None and type != envelope.type:
        raise IdTaken(
            f"the id {envelope.id} names a `{type}` that {envelope.recipient} was sent before, not this "
            f"`{envelope.type}`. Give each message an id of its own."
        )
    if digest is None or _is_made_anew(envelope):
        return
    if _differ(digest, digest_of(envelope.version, envelope.body)):
        raise IdTaken(
            f"the id {envelope.id} names a `{envelope.type}` that {envelope.recipient} was sent before with other "
            "fields. Say the very same again to get its reply, or give this one an id of its own."
        )


def _is_made_anew(envelope: Envelope) -> bool:
    return envelope.causation is not None or envelope.run is not None


def _differ(first: int, again: int) -> bool:
    """In one version. A sender that was deployed anew in between says the same in another."""
    return first >> 32 == again >> 32 and first != again
