"""What stands in a brain's journal, entry by entry."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, RootModel

from ..models import FromModel, Spoken
from ..models.conversation import Word
from .messages import Line, Setting


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


def line_of(number: int, entry: Entry) -> Line:
    """For who reads the conversation."""
    match entry:
        case Said(said=said, at=at):
            uses = said.uses if isinstance(said, FromModel) else ()
            return Line(number=number, at=at, role=said.role, text=said.text, uses=uses)
        case Summary(text=text, at=at):
            return Line(number=number, at=at, role="summary", text=text)
        case Set(at=at, run=run, setting=setting):
            return Line(number=number, at=at, role="setting", text=f"{run} with {setting.model}")
