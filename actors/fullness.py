"""When a mailbox takes no more: which bound was hit, what helps, and what can never fit."""

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from .errors import MailboxFull, TooLarge

if TYPE_CHECKING:
    from .address import AgentAddress
    from .options import Bounds

Bound = Literal["rows", "bytes"]

# Rough guesses: how long a message may wait for its turn depends on the handlers before it.
AGENT_AGAIN = timedelta(seconds=1)
TENANT_AGAIN = timedelta(seconds=5)


def mailbox_full(recipient: str, bound: Bound, bounds: "Bounds", *, teller: str = "") -> MailboxFull:
    most = f"{bounds.rows:,} messages" if bound == "rows" else f"{bounds.bytes:,} bytes of messages"
    who = f"{teller} tells {recipient}, but " if teller else ""
    return MailboxFull(
        f"{who}the mailbox of {recipient} is full (its bound is {most}). Nothing was accepted; "
        "try again in about a second.",
        AGENT_AGAIN,
    )


def tenant_full(tenant: str, bound: Bound, waiting: int) -> MailboxFull:
    what = "messages" if bound == "rows" else "bytes of messages"
    return MailboxFull(
        f"tenant {tenant!r} has {waiting:,} {what} waiting, and may not have more (`hosts.tenant_{bound}`). "
        "Nothing was accepted; try again in about 5 seconds.",
        TENANT_AGAIN,
    )


def refuse_unfit(message: str, size: int, address: "AgentAddress", bounds: "Bounds") -> None:
    """What is larger than a mailbox would be refused as full for ever."""
    if size > bounds.bytes:
        raise TooLarge(
            f"`{message}` to {address} has {size:,} bytes, the mailboxes of kind {address.kind!r} take {bounds.bytes:,}"
            " (`bounds`). Keep what is large in a file or store and send a reference to it."
        )
