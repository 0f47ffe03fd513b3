"""What a model says, and what it cost in tokens."""

from typing import Literal

from pydantic import Field

from .conversation import FromModel, Word

Stop = Literal["end", "tools", "length", "refused"]


class Usage(Word):
    input_tokens: int = Field(default=0, ge=0, description="all that was read, with what came from a cache")
    cached_tokens: int = Field(default=0, ge=0, description="of these, read from the provider's cache")
    written_tokens: int = Field(default=0, ge=0, description="of these, written into it")
    output_tokens: int = Field(default=0, ge=0, description="all that was said or thought")

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(**{name: getattr(self, name) + getattr(other, name) for name in Usage.model_fields})


class Piece(Word):
    """A part of what is being said, for who watches. It may be taken back: what counts is the reply."""

    text: str
    anew: bool = Field(default=False, description="all before it is taken back: the model was asked again")


BEGUN = Piece(text="")


class ModelReply(Word):
    message: FromModel
    usage: Usage
    counted: bool = Field(default=True, description="by the provider; if not, `usage` is a guess, which nobody pays by")
    stop: Stop
    model: str = Field(description="provider and model as it was asked for; after a fall-back, the one that answered")
    version: str = Field(default="", description="as the provider calls what answered")
