"""What is said in a conversation with a model, by whom. The same words whichever provider it goes to."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class Word(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ToolUse(Word):
    """A model's wish to use a tool."""

    id: str = Field(description="as the provider named it; the tool's answer goes back under it")
    name: str = Field(description="as it was offered")
    arguments: dict[str, JsonValue] = {}
    malformed: str | None = Field(default=None, description="what it wrote instead of arguments, if that was no object")


class FromUser(Word):
    role: Literal["user"] = "user"
    text: str


class FromModel(Word):
    role: Literal["assistant"] = "assistant"
    text: str = ""
    uses: tuple[ToolUse, ...] = ()
    aside: dict[str, JsonValue] = Field(
        default={}, description="what a provider wants back as it was (signatures, ids of items), by provider"
    )


class FromTool(Word):
    role: Literal["tool"] = "tool"
    use: str = Field(description="the id of the use that it answers")
    text: str
    failed: bool = False


Spoken = Annotated[FromUser | FromModel | FromTool, Field(discriminator="role")]
