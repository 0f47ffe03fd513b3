"""Messages: pydantic models with a stable name, by which mailboxes and histories know them.

The name and the version are given, never derived: a class can be renamed, a stored message cannot. When a message
changes its shape, its version rises and `upcast` turns the bodies that are stored already into the new shape.
"""

import json
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticSerializationError

from .errors import BadClass, BadMessage, NewerVersion, UnknownMessage
from .storable import overrides, refuse_unstorable, refuse_version, why_no_json

MOST_NAMED = 20

_types: dict[str, type["Message"]] = {}


class Message(BaseModel):
    """Subclass with a name: `class Add(Message, name="counter.add")`."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)  # looked at below
    message_name: ClassVar[str]
    message_version: ClassVar[int]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Takes the class arguments off Python's hands; they are used below, when the fields are known."""
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(cls, *, name: str | None = None, version: int = 1, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if not isinstance(name, str) or not name:
            raise BadClass(
                f"the message class {cls.__name__} has no name. Give it one that stays when the class is renamed: "
                f'`class {cls.__name__}(Message, name="counter.add")`.'
            )
        refuse_version(cls.__name__, version, upcasts=overrides(cls, Message, "upcast"))
        refuse_unstorable(cls, "Use a type that JSON has, or a pydantic model.")
        cls.message_name = name
        cls.message_version = version
        known = _types.setdefault(name, cls)
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise BadClass(f"two message types are named {name!r}: {known} and {cls}. Rename one.")
        _types[name] = cls

    @classmethod
    def upcast(cls, version: int, body: dict[str, Any]) -> dict[str, Any]:
        """Turns a body of an older version into one of this version. Override when `version` rises."""
        raise BadMessage(
            f"`{cls.message_name}` is at version {cls.message_version} and has no `upcast` from version {version}. "
            "Give the class one."
        )


def message_type(name: str) -> type[Message]:
    try:
        return _types[name]
    except KeyError:
        raise UnknownMessage(f"no message type is named {name!r}{_hint(name)}") from None


def _hint(name: str) -> str:
    """The nearest name; else the developer's own, for Resprout's own are many and hardly meant."""
    if near := get_close_matches(name, _types, n=1):
        return f": did you mean `{near[0]}`?"
    ours = __name__.partition(".")[0]
    own = [known for known, kind in sorted(_types.items()) if kind.__module__.partition(".")[0] != ours]
    known = f"Known here: {', '.join(own[:MOST_NAMED])}{', …' if len(own) > MOST_NAMED else ''}. " if own else ""
    return f". {known}See all with `resprout agent catalogue`."


def message_types() -> Iterable[type[Message]]:
    return _types.values()


def parse(name: str, body: dict[str, Any]) -> Message:
    """A message of today's version from its fields."""
    kind = message_type(name)
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raise _unreadable(name, error) from None


def body_of(message: Message) -> str:
    """As it is sent and stored."""
    try:
        return message.model_dump_json()
    except PydanticSerializationError:
        raise BadMessage(
            f"`{message.message_name}` cannot be sent: {why_no_json(message)}. Give it what JSON can hold."
        ) from None


def parse_stored(name: str, version: int, body: str) -> Message:
    """A message as it was sent or stored, maybe by older code."""
    kind = message_type(name)
    try:
        if version == kind.message_version:
            return kind.model_validate_json(body)
        if version > kind.message_version:
            raise NewerVersion(
                f"`{name}` came in version {version}, this process knows {kind.message_version}. Deploy the newer code."
            )
        return kind.model_validate(kind.upcast(version, json.loads(body)))
    except ValidationError as error:
        raise _unreadable(name, error) from None


def _unreadable(name: str, error: ValidationError) -> BadMessage:
    return BadMessage(f"`{name}` cannot be read: {'; '.join(problems(error))}.")


def problems(error: ValidationError) -> Iterator[str]:
    """Each with its place. A field that is unknown often is one that is missing, misspelled."""
    found = error.errors(include_url=False, include_context=False)
    missing = [str(one["loc"][-1]) for one in found if one["type"] == "missing"]
    for one in found[:MOST_NAMED]:
        where = ".".join(str(part) for part in one["loc"])
        near = get_close_matches(str(one["loc"][-1]), missing, n=1) if one["type"] == "extra_forbidden" else []
        hint = f" (did you mean `{near[0]}`?)" if near else ""
        said = "it has no such field" if one["type"] == "extra_forbidden" else one["msg"].removeprefix("Value error, ")
        yield f"{where}: {said}{hint}" if where else said
