"""Messages: pydantic models with a stable name, by which mailboxes and histories know them.

The name and the version are given, never derived: a class can be renamed, a stored message cannot.
"""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import BadMessage, UnknownMessage

_types: dict[str, type["Message"]] = {}


class Message(BaseModel):
    """Subclass with a name: `class Add(Message, name="counter.add")`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    message_name: ClassVar[str]
    message_version: ClassVar[int]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Takes the class arguments off Python's hands; they are used below, when the fields are known."""
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(  # type: ignore[override]  # every message must have a name
        cls, *, name: str, version: int = 1, **kwargs: Any
    ) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.message_name = name
        cls.message_version = version
        known = _types.setdefault(name, cls)
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"two message types are named {name!r}: {known} and {cls}. Rename one.")
        _types[name] = cls


def message_type(name: str) -> type[Message]:
    try:
        return _types[name]
    except KeyError:
        known = ", ".join(sorted(_types)) or "none"
        raise UnknownMessage(f"no message type is named {name!r}. Known here: {known}.") from None


def parse(name: str, body: dict[str, Any]) -> Message:
    try:
        return message_type(name).model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadMessage(f"`{name}` cannot be read: {where + ': ' if where else ''}{first['msg']}.") from None
