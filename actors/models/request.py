"""What a model is asked."""

from typing import Literal

from pydantic import Field, JsonValue

from .account import Account
from .conversation import Spoken, Word


class ToolOffer(Word):
    """A tool that the model may ask for."""

    name: str
    description: str
    parameters: dict[str, JsonValue] = Field(description="JSON Schema of the arguments")


class AnswerForm(Word):
    """What the answer must look like, when it is to be JSON."""

    name: str = Field(default="answer", pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    shape: dict[str, JsonValue] = Field(description="JSON Schema of the answer")


class ModelRequest(Word):
    model: str = Field(description="provider and model, as in `openai/gpt-5`, or `local`")
    system: str = ""
    messages: tuple[Spoken, ...] = Field(min_length=1)
    tools: tuple[ToolOffer, ...] = ()
    choice: Literal["auto", "none", "required"] = Field(default="auto", description="whether it must use a tool")
    answer: AnswerForm | None = None
    max_tokens: int = Field(default=4_096, ge=1, description="of what it says")
    temperature: float | None = Field(default=None, ge=0, le=2)
    seed: int | None = None
    timeout_seconds: float = Field(default=120.0, gt=0, le=3_600)
    conversation: str | None = Field(default=None, description="the same for calls that begin alike, for caches")
    account: Account | None = Field(default=None, description="who pays; none: the tenant `default`, and no budget")
