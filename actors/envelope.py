"""What travels: a message with where it goes, who caused it and until when it matters; and how it ended."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class Envelope(BaseModel):
    """`id` names the message for ever: an envelope that comes again with the same id is the same message."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    recipient: str
    type: str
    version: int = 1
    body: dict[str, Any]
    run: str | None = None  # the workflow that this belongs to, for whoever reads the logs
    deadline: datetime | None = None
    trace: dict[str, str] = {}  # W3C trace context


class Replied(BaseModel):
    """Handled, now or before: the state moved once. `type` is None when the handler replies with nothing."""

    outcome: Literal["replied"] = "replied"
    type: str | None = None
    body: dict[str, Any] | None = None


class Failed(BaseModel):
    """Not handled, nothing changed. `error` is the name of a class in errors.py."""

    outcome: Literal["failed"] = "failed"
    error: str
    text: str


Outcome = Annotated[Replied | Failed, Field(discriminator="outcome")]

ENVELOPES: TypeAdapter[list[Envelope]] = TypeAdapter(list[Envelope])
OUTCOMES: TypeAdapter[list[Replied | Failed]] = TypeAdapter(list[Outcome])
