"""The class that a developer writes: state as typed fields, handlers bound to message types by annotation.

    class Counter(Agent, kind="counter"):
        total: int = 0

        @on
        async def add(self, message: Add) -> Total: ...

A handler changes the fields and collects what shall be sent; the runtime commits all of it together with the reply.
When a commit fails the handler runs again, on the state as it was: so it must keep its hands off the outside world,
or key what it does there by `self.envelope.id`.
"""

import copy
import inspect
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar, Literal, TypeVar, cast, get_type_hints, overload
from uuid import UUID

import structlog
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from .address import AgentAddress
from .capabilities import Capability
from .envelope import Envelope, Priority
from .errors import BadMessage, Broken, NewerVersion, UnknownKind, UnknownMessage
from .message import Message
from .reminders import Missed
from .supervision import Supervision
from .turn import LARGEST_BODY, Turn, current

_kinds: dict[str, type["Agent"]] = {}
Method = TypeVar("Method", bound=Callable[..., Awaitable[Any]])
Other = TypeVar("Other", bound="Agent")
WhenBusy = Literal["queue", "reject", "join"]

_IMMUTABLE = (str, int, float, bool, type(None), bytes, UUID, datetime, date, timedelta, Decimal, Message)


@dataclass(frozen=True)
class Handler:
    method: str
    message: type[Message]
    reply: type[Message] | None
    busy: WhenBusy


@dataclass(frozen=True)
class DedicatedHosts:
    """Hosts that only this kind lives on, each a Ray actor with these resources."""

    count: int = 1
    cpus: float = 0
    gpus: float = 0
    memory_bytes: int = 0
    resources: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Bounds:
    """Of one agent's mailbox and state."""

    rows: int = 10_000
    bytes: int = 64_000_000
    state_bytes: int = LARGEST_BODY


@dataclass(frozen=True)
class Options:
    """The class arguments of an agent besides its kind."""

    version: int = 1  # of the state; raise it together with `upcast`
    ephemeral: bool = False  # state and mailbox in memory only: fast, and gone with the host
    supervision: Supervision = field(default_factory=Supervision)
    hosts: DedicatedHosts | None = None
    bounds: Bounds = Bounds()
    turn_timeout: timedelta = timedelta(minutes=10)
    capabilities: tuple[Capability, ...] = ()
    models: tuple[str, ...] = ()
    framework: str = "resprout"
    labels: Mapping[str, str] = field(default_factory=dict)


@overload
def on(method: Method) -> Method: ...
@overload
def on(*, busy: WhenBusy) -> Callable[[Method], Method]: ...
def on(method: Method | None = None, *, busy: WhenBusy = "queue") -> Method | Callable[[Method], Method]:
    """Marks a method as the handler of the message type that its parameter is annotated with.

    `busy` says what a message meets while the agent is in a turn: `queue` waits, `reject` refuses with Busy, `join`
    shares the turn and the reply of an equal message in flight.
    """
    if method is None:
        return cast("Callable[[Method], Method]", partial(_mark, busy=busy))
    return _mark(method, busy)


def _mark(method: Method, busy: WhenBusy) -> Method:
    method.__resprout_handler__ = busy  # type: ignore[attr-defined]
    return method


def ephemeral(**kwargs: Any) -> Any:
    """A field that is not stored: after a passivation or a kill it has its default again."""
    if "default" not in kwargs and "default_factory" not in kwargs:
        raise TypeError("an ephemeral field needs a default or a default_factory: it begins anew on every activation.")
    return Field(exclude=True, **kwargs)


class Agent(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)
    kind: ClassVar[str]
    options: ClassVar[Options] = Options()
    handlers: ClassVar[dict[str, Handler]] = {}
    _turn: Turn | None = PrivateAttr(default=None)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Takes the class arguments off Python's hands; they are used below, when the fields are known."""
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(  # type: ignore[override]  # every agent class must have a kind
        cls, *, kind: str, **options: Any
    ) -> None:
        super().__pydantic_init_subclass__()
        AgentAddress.of(kind, "any")
        cls.kind = kind
        cls.options = Options(**options)
        cls.handlers = {handler.message.message_name: handler for handler in _handlers_of(cls)}
        missing = [name for name, about in cls.model_fields.items() if about.is_required()]
        if missing:
            raise TypeError(f"{cls.__name__}.{missing[0]} needs a default: an agent exists before its first message.")
        known = _kinds.setdefault(kind, cls)
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"two agent classes have the kind {kind!r}: {known} and {cls}. Rename one.")
        _kinds[kind] = cls

    @classmethod
    def upcast(cls, version: int, state: dict[str, Any]) -> dict[str, Any]:
        """Turns a state of an older version into one of this version. Override when `version` rises."""
        raise Broken(
            f"the state of kind {cls.kind!r} is at version {version}, the class at {cls.options.version}, and it has "
            "no `upcast`. Give it one."
        )

    async def activated(self) -> None:
        """Called when the agent comes into memory, before its first message there. May change ephemeral fields."""

    async def passivated(self) -> None:
        """Called when the agent leaves memory in good order; not after a kill."""

    # What a handler can do, besides changing fields.

    @property
    def envelope(self) -> Envelope:
        """Of the message that is being handled."""
        return current(self).envelope

    @property
    def address(self) -> AgentAddress:
        return current(self).address

    @property
    def deadline(self) -> datetime | None:
        return current(self).envelope.deadline

    @property
    def log(self) -> Any:
        turn = current(self)
        return structlog.get_logger(f"resprout.agent.{self.kind}").bind(
            agent=str(turn.address), message=str(turn.envelope.id), run=turn.envelope.run
        )

    def tell(
        self, recipient: str, message: Message, *, priority: Priority = "normal", deadline: datetime | None = None
    ) -> UUID:
        """Sends with this turn's commit, and not without it. Returns the id of the message."""
        return current(self).tell(str(recipient), message, priority, deadline)

    async def ask(self, recipient: str, message: Message, *, timeout: timedelta | None = None) -> Message | None:
        """The reply. Happens at once; when this turn is done again, the same ask gets the same reply."""
        return await current(self).ask(str(recipient), message, timeout)

    def of(self, kind: type[Other], key: str) -> Other:
        """Another agent, by its class: `await self.of(Counter, "ada").add(Add(by=1))`. Its handlers ask."""
        turn = current(self)
        return cast("Other", Asking(kind, lambda message: turn.ask(f"{kind.kind}/{key}", message, None)))

    def publish(self, topic: str, message: Message, *, priority: Priority = "normal") -> UUID:
        """Told, with this turn's commit, to every agent that is subscribed to the topic then."""
        return current(self).publish(topic, message, priority)

    def subscribe(self, topic: str) -> None:
        current(self).subscribe(topic, True)

    def unsubscribe(self, topic: str) -> None:
        current(self).subscribe(topic, False)

    def remind(
        self,
        name: str,
        message: Message,
        *,
        at: datetime | None = None,
        after: timedelta | None = None,
        every: timedelta | None = None,
        missed: Missed = "once",
    ) -> None:
        """Tells this agent the message at a time, or every so often. The same name again replaces the reminder."""
        current(self).remind(name, message, at, after, every, missed)

    def cancel(self, name: str) -> None:
        """Takes a reminder back. Nothing happens if there is none of that name."""
        current(self).cancel(name)

    def describe(self, *, labels: Mapping[str, str] | None = None, capabilities: Iterable[Capability] = ()) -> None:
        """Says in the registry what this very agent is, on top of what its kind says."""
        current(self).describe(
            {"labels": dict(labels or {}), "capabilities": [capability.model_dump() for capability in capabilities]}
        )

    # What a host does with an agent.

    @classmethod
    def handler_of(cls, message_name: str) -> Handler:
        handler = cls.handlers.get(message_name)
        if handler is None:
            raise UnknownMessage(
                f"agents of kind {cls.kind!r} have no handler for `{message_name}`. "
                f"They handle: {', '.join(sorted(cls.handlers)) or 'nothing'}."
            )
        return handler

    @classmethod
    def from_stored(cls, version: int, state: str) -> "Agent":
        try:
            if version == cls.options.version:
                return cls.model_validate_json(state)
            if version > cls.options.version:
                raise NewerVersion(
                    f"the state of this {cls.kind!r} was written in version {version}, this process knows "
                    f"{cls.options.version}. Deploy the newer code."
                )
            return cls.model_validate(cls.upcast(version, json.loads(state)))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise Broken(
                f"the stored state does not fit the class of kind {cls.kind!r}: {'.'.join(map(str, first['loc']))}: "
                f"{first['msg']}. Raise the kind's version and give it an `upcast`."
            ) from None

    def for_turn(self, turn: Turn) -> "Agent":
        """A copy that the handler may change, so that a turn that fails leaves nothing."""
        twin = object.__new__(type(self))
        values = {
            name: value if isinstance(value, _IMMUTABLE) else copy.deepcopy(value)
            for name, value in self.__dict__.items()
        }
        object.__setattr__(twin, "__dict__", values)
        object.__setattr__(twin, "__pydantic_fields_set__", self.__pydantic_fields_set__)
        object.__setattr__(twin, "__pydantic_extra__", None)
        object.__setattr__(twin, "__pydantic_private__", {**(self.__pydantic_private__ or {}), "_turn": turn})
        return twin

    def end_turn(self) -> None:
        assert self.__pydantic_private__ is not None
        self.__pydantic_private__["_turn"] = None


class Asking:
    """Looks like an agent to the type checker; calling a handler on it asks."""

    def __init__(self, kind: type[Agent], ask: Callable[[Message], Awaitable[Message | None]]) -> None:
        self._by_method = {handler.method: handler for handler in kind.handlers.values()}
        self._kind = kind
        self._ask = ask

    def __getattr__(self, name: str) -> Callable[[Message], Awaitable[Message | None]]:
        handler = self._by_method.get(name)
        if handler is None:
            raise AttributeError(f"kind {self._kind.kind!r} has no handler named {name!r}.")

        def ask(message: Message) -> Awaitable[Message | None]:
            if not isinstance(message, handler.message):
                raise BadMessage(f"{name} takes a {handler.message.__name__}, not a {type(message).__name__}.")
            return self._ask(message)

        return ask


def agent_class(kind: str) -> type[Agent]:
    try:
        return _kinds[kind]
    except KeyError:
        known = ", ".join(sorted(_kinds)) or "none"
        raise UnknownKind(f"no agent class has the kind {kind!r}. Known here: {known}.") from None


def shares_hosts(kind: str) -> bool:
    """Whether the kind is known here and asks for no hosts of its own."""
    return kind in _kinds and _kinds[kind].options.hosts is None


def agent_classes() -> list[type[Agent]]:
    return [_kinds[kind] for kind in sorted(_kinds)]


def _handlers_of(cls: type[Agent]) -> list[Handler]:
    found = [
        _handler(cls, name, method)
        for name, method in inspect.getmembers(cls, inspect.isfunction)
        if hasattr(method, "__resprout_handler__")
    ]
    by_message: dict[str, Handler] = {}
    for handler in found:
        other = by_message.setdefault(handler.message.message_name, handler)
        if other is not handler:
            raise TypeError(f"{cls.__name__}: {other.method} and {handler.method} both handle the same message type.")
    return found


def _handler(cls: type[Agent], name: str, method: Callable[..., Any]) -> Handler:
    hints = get_type_hints(method)
    reply = hints.pop("return", None)
    messages = [hints.get(parameter) for parameter in list(inspect.signature(method).parameters)[1:]]  # without self
    if len(messages) != 1 or not (isinstance(messages[0], type) and issubclass(messages[0], Message)):
        raise TypeError(f"{cls.__name__}.{name} must take one parameter annotated with a Message class.")
    if reply is type(None):
        reply = None
    if reply is not None and not (isinstance(reply, type) and issubclass(reply, Message)):
        raise TypeError(f"{cls.__name__}.{name} must be annotated to return a Message class or None.")
    if not inspect.iscoroutinefunction(method):
        raise TypeError(f"{cls.__name__}.{name} must be `async def`.")
    return Handler(name, messages[0], reply, method.__resprout_handler__)  # type: ignore[attr-defined]
