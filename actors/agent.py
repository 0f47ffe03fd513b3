"""The class that a developer writes: state as typed fields, handlers bound to message types by annotation.

    class Counter(Agent, kind="counter"):
        total: int = 0

        @on
        async def add(self, message: Add) -> Total: ...

A handler changes the fields; the runtime commits them together with the reply. A handler must keep its hands
off the outside world: when the commit fails it runs again.
"""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict

from .errors import UnknownKind, UnknownMessage
from .message import Message

_kinds: dict[str, type["Agent"]] = {}
Method = TypeVar("Method", bound=Callable[..., Awaitable[Any]])


@dataclass(frozen=True)
class Handler:
    method: str
    message: type[Message]
    reply: type[Message] | None


def on(method: Method) -> Method:
    """Marks a method as the handler of the message type that its parameter is annotated with."""
    method.__resprout_handler__ = True  # type: ignore[attr-defined]
    return method


class Agent(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)
    kind: ClassVar[str]
    handlers: ClassVar[dict[str, Handler]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Takes the class arguments off Python's hands; they are used below, when the fields are known."""
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(  # type: ignore[override]  # every agent class must have a kind
        cls, *, kind: str, **kwargs: Any
    ) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.kind = kind
        cls.handlers = {handler.message.message_name: handler for handler in _handlers_of(cls)}
        known = _kinds.setdefault(kind, cls)
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"two agent classes have the kind {kind!r}: {known} and {cls}. Rename one.")
        _kinds[kind] = cls

    async def handle(self, message: Message) -> Message | None:
        handler = self.handlers.get(message.message_name)
        if handler is None:
            raise UnknownMessage(
                f"agents of kind {self.kind!r} have no handler for `{message.message_name}`. "
                f"They handle: {', '.join(sorted(self.handlers)) or 'nothing'}."
            )
        reply: Message | None = await getattr(self, handler.method)(message)
        return reply


def agent_class(kind: str) -> type[Agent]:
    try:
        return _kinds[kind]
    except KeyError:
        known = ", ".join(sorted(_kinds)) or "none"
        raise UnknownKind(f"no agent class has the kind {kind!r}. Known here: {known}.") from None


def _handlers_of(cls: type[Agent]) -> list[Handler]:
    found = []
    for name, method in inspect.getmembers(cls, inspect.isfunction):
        if getattr(method, "__resprout_handler__", False):
            found.append(_handler(cls, name, method))
    return found


def _handler(cls: type[Agent], name: str, method: Callable[..., Any]) -> Handler:
    hints = get_type_hints(method)
    reply = hints.pop("return", None)
    messages = list(hints.values())
    if len(messages) != 1 or not (isinstance(messages[0], type) and issubclass(messages[0], Message)):
        raise TypeError(f"{cls.__name__}.{name} must take one parameter annotated with a Message class.")
    if reply is type(None):
        reply = None
    if reply is not None and not (isinstance(reply, type) and issubclass(reply, Message)):
        raise TypeError(f"{cls.__name__}.{name} must be annotated to return a Message class or None.")
    if not inspect.iscoroutinefunction(method):
        raise TypeError(f"{cls.__name__}.{name} must be `async def`.")
    return Handler(name, messages[0], reply)
