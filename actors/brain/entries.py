"""What stands in a brain's journal, entry by entry."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, RootModel

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


class _AnyEntry(RootModel[Annotated[Entry, Field(discriminator="entry")]]):
    pass


def entry_in(text: str) -> Entry:
    """As it stands in the journal."""
    return _AnyEntry.model_validate_json(text).root
