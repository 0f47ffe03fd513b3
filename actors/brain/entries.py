"""What stands in a brain's journal, entry by entry."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from ..models import Spoken
from ..models.conversation import Word
from .messages import Setting


class Set(Word):
    """A run began."""

    entry: Literal["setting"]
    run: str
    at: datetime
    setting: Setting


class Said(Word):
    entry: Literal["said"]
    at: datetime
    run: str
    said: Spoken


class Summary(Word):
    """Stands for the entries from `first` to `last`, for the model; they stay."""

    entry: Literal["summary"]
    at: datetime
    run: str
    model: str
    text: str
    first: int
    last: int


Entry = Set | Said | Summary
ENTRY: TypeAdapter[Entry] = TypeAdapter(Annotated[Set | Said | Summary, Field(discriminator="entry")])  # type: ignore[arg-type]
