"""Handlers, bound to message types by annotation: their mark, and how they are read when an agent class is defined.

The invariant: a class whose messages would be refused when they come is refused itself, with what to write instead.
"""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar, cast, get_args, get_type_hints, overload

from .errors import BadClass
from .message import Message

Method = TypeVar("Method", bound=Callable[..., Awaitable[Any]])
WhenBusy = Literal["queue", "reject", "join"]


@dataclass(frozen=True)
class Handler:
    method: str
    message: type[Message]
    reply: type[Message] | None
    busy: WhenBusy


@overload
def on(method: Method) -> Method: ...
@overload
def on(*, busy: WhenBusy) -> Callable[[Method], Method]: ...
def on(method: Method | None = None, *, busy: WhenBusy = "queue") -> Method | Callable[[Method], Method]:
    """Marks a method as the handler of the message type that its parameter is annotated with.

    `busy` says what a message meets while the agent is in a turn: `queue` waits, `reject` refuses with Busy, `join`
    shares the turn and the reply of an equal message in flight.
    """
    if busy not in get_args(WhenBusy):
        raise BadClass(f"@on(busy={busy!r}): write one of {', '.join(get_args(WhenBusy))}.")
    if method is None:
        return cast("Callable[[Method], Method]", partial(_mark, busy=busy))
    return _mark(method, busy)


def _mark(method: Method, busy: WhenBusy) -> Method:
    method.__resprout_handler__ = busy  # type: ignore[attr-defined]
    return method


def handlers_of(cls: type, base: type) -> list[Handler]:
    """Of an agent class; what `base` has is no handler."""
    found = [
        _handler(cls, name, method)
        for name, method in inspect.getmembers(cls, inspect.isfunction)
        if hasattr(method, "__resprout_handler__")
    ]
    _refuse_forgotten(cls, base, {handler.method for handler in found})
    by_message: dict[str, Handler] = {}
    for handler in found:
        other = by_message.setdefault(handler.message.message_name, handler)
        if other is not handler:
            raise BadClass(f"{cls.__name__}: {other.method} and {handler.method} both handle the same message type.")
    return found


def _refuse_forgotten(cls: type, base: type, handlers: set[str]) -> None:
    """What is made as a handler is: without its mark, its messages would be refused when they come."""
    for name, method in inspect.getmembers(cls, inspect.iscoroutinefunction):
        if name.startswith("_") or name in handlers or hasattr(base, name):
            continue
        if (message := _message_taken(method)) is not None:
            raise BadClass(
                f"{cls.__name__}.{name} takes a {message.__name__} and is no handler. Write `@on` above it, or begin "
                "its name with an underscore."
            )


def _message_taken(method: Callable[..., Any]) -> type[Message] | None:
    """By a method that takes this one message and nothing else."""
    parameters = list(inspect.signature(method).parameters)[1:]  # without self
    try:
        taken = get_type_hints(method).get(parameters[0]) if len(parameters) == 1 else None
    except NameError:  # names that are there for the type checker only
        return None
    return taken if isinstance(taken, type) and issubclass(taken, Message) and taken is not Message else None


def _handler(cls: type, name: str, method: Callable[..., Any]) -> Handler:
    hints = get_type_hints(method)
    reply = hints.pop("return", object)
    messages = [hints.get(parameter) for parameter in list(inspect.signature(method).parameters)[1:]]  # without self
    if len(messages) != 1 or not (isinstance(messages[0], type) and issubclass(messages[0], Message)):
        raise BadClass(f"{cls.__name__}.{name} must take one parameter annotated with a Message class.")
    if reply is type(None):
        reply = None
    if reply is not None and not (isinstance(reply, type) and issubclass(reply, Message) and reply is not Message):
        raise BadClass(f"{cls.__name__}.{name} must be annotated to return a Message class or None.")
    if not inspect.iscoroutinefunction(method):
        raise BadClass(f"{cls.__name__}.{name} must be `async def`.")
    return Handler(name, messages[0], reply, method.__resprout_handler__)  # type: ignore[attr-defined]
