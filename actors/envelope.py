"""What travels: a message with where it goes, who caused it and until when it matters; and how it ended."""

from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, field_validator

from .errors import ResproutError, Unavailable, text_of

Priority = Literal["low", "normal", "high", "critical"]
PRIORITIES: tuple[Priority, ...] = ("low", "normal", "high", "critical")
RANK: dict[Priority, int] = {name: rank for rank, name in enumerate(PRIORITIES)}


class Envelope(BaseModel):
    """`id` names the message for ever: an envelope that comes again with the same id is the same message."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    way: Literal["ask", "tell"] = "ask"
    recipient: str
    sender: str = ""  # an agent's address, or the name of who talks to agents from outside
    type: str
    version: int = 1
    body: str  # JSON; read once, by the handler's host
    priority: Priority = "normal"
    tenant: str = "default"
    correlation: UUID | None = None  # the id of the message that began it all; None: this one
    causation: UUID | None = None  # the id of the message in whose turn this one was sent
    chain: tuple[str, ...] = ()  # the agents that wait for this one to answer, the first asker first
    run: str | None = None  # the workflow that this belongs to, for whoever reads the logs
    deadline: AwareDatetime | None = None
    trace: dict[str, str] = Field(default_factory=dict)  # W3C trace context
    # Above 1 when the same id may have been delivered before. Only a hint that lets a host look before it works:
    # that a message has one effect does not depend on it.
    attempt: int = 1
    # Of an ask: how many hosts were lost while they had it. Above 0, whoever asks is told when its turn begins.
    lost: int = 0


class Replied(BaseModel):
    """Handled, now or before: the state moved once. `type` is None when the handler replies with nothing."""

    model_config = ConfigDict(frozen=True)

    outcome: Literal["replied"] = "replied"
    type: str | None = None
    version: int = 1
    body: str | None = None


class Accepted(BaseModel):
    """In the recipient's mailbox, on disk: it will be handled, or be found among the dead letters."""

    model_config = ConfigDict(frozen=True)

    outcome: Literal["accepted"] = "accepted"


class Failed(BaseModel):
    """Not handled, nothing changed. `error` is the name of a class in errors.py."""

    model_config = ConfigDict(frozen=True)

    outcome: Literal["failed"] = "failed"
    error: str
    text: str
    retry_after: timedelta | None = None

    @field_validator("text", mode="before")
    @classmethod
    def _can_be_encoded(cls, text: str) -> str:
        """An error may quote what is no UTF-8, a name of a file; one such text would cost others their outcomes."""
        return text.encode("utf-8", "backslashreplace").decode()


class Began(BaseModel):
    """No outcome yet: its turn begins, and if the host ends now, it was maybe because of this message."""

    model_config = ConfigDict(frozen=True)

    outcome: Literal["began"] = "began"


def failed(error: ResproutError) -> Failed:
    retry_after = error.retry_after if isinstance(error, Unavailable) else None
    return Failed(error=type(error).__name__, text=text_of(error), retry_after=retry_after)


Outcome = Replied | Accepted | Failed

# A frame on the wire: each envelope with a number of the sender's choice, under which its outcome comes back.
ENVELOPES: TypeAdapter[list[tuple[int, Envelope]]] = TypeAdapter(list[tuple[int, Envelope]])
_Outcome = Annotated[Outcome | Began, Field(discriminator="outcome")]
OUTCOMES: TypeAdapter[list[tuple[int, Outcome | Began]]] = TypeAdapter(list[tuple[int, _Outcome]])
