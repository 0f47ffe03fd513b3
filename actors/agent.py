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
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from functools import partial
from typing import Any, ClassVar, Literal, TypeVar, cast, get_args, get_type_hints, overload
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from .address import AgentAddress
from .arguments import check_message, described
from .capabilities import Capability
from .envelope import Envelope, Priority
from .errors import BadClass, BadMessage, Broken, NewerVersion, NoHandler, Rejected, UnknownKind, UnknownMessage
from .fullness import refuse_unfit
from .logger import get_logger
from .message import Message, body_of
from .reminders import Missed
from .storable import overrides, refuse_unstorable, refuse_version
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

    def __post_init__(self) -> None:
        if self.count < 1:
            raise BadClass(f"DedicatedHosts(count={self.count}): a kind with hosts of its own has at least one.")
        if min(self.cpus, self.gpus, self.memory_bytes, *self.resources.values()) < 0:
            raise BadClass(f"{self}: no resource can be less than 0.")


@dataclass(frozen=True)
class Bounds:
    """Of one agent's mailbox and state."""

    rows: int = 10_000
    bytes: int = 64_000_000
    state_bytes: int = LARGEST_BODY

    def __post_init__(self) -> None:
        if min(self.rows, self.bytes, self.state_bytes) < 1:
            raise BadClass(f"{self}: a bound is at least 1.")


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
    if busy not in get_args(WhenBusy):
        raise BadClass(f"@on(busy={busy!r}): write one of {', '.join(get_args(WhenBusy))}.")
    if method is None:
        return cast("Callable[[Method], Method]", partial(_mark, busy=busy))
    return _mark(method, busy)


def _mark(method: Method, busy: WhenBusy) -> Method:
    method.__resprout_handler__ = busy  # type: ignore[attr-defined]
    return method


def ephemeral(**kwargs: Any) -> Any:
    """A field that is not stored: after a passivation or a kill it has its default again."""
    if "default" not in kwargs and "default_factory" not in kwargs:
        raise BadClass("an ephemeral field needs a default or a default_factory: it begins anew on every activation.")
    return Field(exclude=True, **kwargs)


class Agent(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True, arbitrary_types_allowed=True)
    kind: ClassVar[str]
    options: ClassVar[Options] = Options()
    handlers: ClassVar[dict[str, Handler]] = {}
    _turn: Turn | None = PrivateAttr(default=None)
    _address: AgentAddress | None = PrivateAttr(default=None)  # set when it comes into memory

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Takes the class arguments off Python's hands; they are used below, when the fields are known."""
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(cls, *, kind: str | None = None, **options: Any) -> None:
        super().__pydantic_init_subclass__()
        if kind is None:
            raise BadClass(
                f"the agent class {cls.__name__} has no kind. Give it one that stays when the class is renamed: "
                f'`class {cls.__name__}(Agent, kind="counter")`.'
            )
        AgentAddress.of(kind, "any")
        cls.kind = kind
        cls.options = _options(cls.__name__, options)
        refuse_version(cls.__name__, cls.options.version, upcasts=overrides(cls, Agent, "upcast"))
        refuse_unstorable(
            cls, "Use a type that JSON has, a pydantic model, or `ephemeral(default=…)` for what shall go."
        )
        cls.handlers = {handler.message.message_name: handler for handler in _handlers_of(cls)}
        missing = [name for name, about in cls.model_fields.items() if about.is_required()]
        if missing:
            raise BadClass(f"{cls.__name__}.{missing[0]} needs a default: an agent exists before its first message.")
        known = _kinds.setdefault(kind, cls)
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise BadClass(f"two agent classes have the kind {kind!r}: {known} and {cls}. Rename one.")
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
        return self._address or current(self).address

    @property
    def deadline(self) -> datetime | None:
        return current(self).envelope.deadline

    @property
    def log(self) -> Any:
        """In hooks too, where there is no message."""
        log = get_logger(f"resprout.agent.{self.kind}")
        if self._turn is None and self._address is not None:
            return log.bind(agent=str(self._address))
        turn = current(self)
        return log.bind(agent=str(turn.address), message=str(turn.envelope.id), run=turn.envelope.run)

    def tell(
        self, recipient: str, message: Message, *, priority: Priority = "normal", deadline: datetime | None = None
    ) -> UUID:
        """Sends with this turn's commit, and not without it. Returns the id of the message."""
        turn = current(self)
        check_told(str(recipient), message)
        return turn.tell(str(recipient), message, priority, deadline)

    async def ask(self, recipient: str, message: Message, *, timeout: timedelta | None = None) -> Message | None:
        """The reply. Happens at once; when this turn is done again, the same ask gets the same reply."""
        turn = current(self)
        check_handled(str(recipient), message)
        return await turn.ask(str(recipient), message, timeout)

    def of(self, kind: type[Other], key: str) -> Other:
        """Another agent, by its class: `await self.of(Counter, "ada").add(Add(by=1))`. Its handlers ask."""
        turn, address = current(self), str(address_of(kind, key))
        return cast("Other", Asking(kind, lambda message: turn.ask(address, message, None)))

    def publish(self, topic: str, message: Message, *, priority: Priority = "normal") -> UUID:
        """Told, with this turn's commit, to every agent that is subscribed to the topic then."""
        return self._kept_turn("publish").publish(topic, message, priority)

    def subscribe(self, topic: str) -> None:
        self._kept_turn("subscribe").subscribe(topic, True)

    def unsubscribe(self, topic: str) -> None:
        self._kept_turn("unsubscribe").subscribe(topic, False)

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
        turn = self._kept_turn("set reminders")
        check_handled(str(turn.address), message)
        turn.remind(name, message, at, after, every, missed)

    def cancel(self, name: str) -> None:
        """Takes a reminder back. Nothing happens if there is none of that name."""
        self._kept_turn("cancel reminders").cancel(name)

    def enter(self, number: int, entry: BaseModel) -> None:
        """Puts an entry into the agent's journal, with this turn's commit: for what grows, and is not to be written
        anew with the state of each turn. The agent counts by itself; a number that is there is written over."""
        self._kept_turn("keep a journal").enter(number, entry.model_dump_json())

    async def journal(self, first: int, last: int) -> Sequence[str]:
        """The entries from one number to another as JSON, as they are stored."""
        return await self._kept_turn("keep a journal").read_journal(first, last)

    def describe(self, *, labels: Mapping[str, str] | None = None, capabilities: Iterable[Capability] = ()) -> None:
        """Says in the registry what this very agent is, on top of what its kind says."""
        self._kept_turn("describe itself").describe(
            {"labels": dict(labels or {}), "capabilities": [capability.model_dump() for capability in capabilities]}
        )

    def _kept_turn(self, wish: str) -> Turn:
        """The turn, for what is a row in the store: it would go out with a commit that an ephemeral agent never has."""
        turn = current(self)
        if self.options.ephemeral:
            raise Rejected(
                f"{turn.address} is ephemeral and cannot {wish}: nothing of it is stored. "
                "Let it tell an agent that is stored, and do it there."
            )
        return turn

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

    def lives_at(self, address: AgentAddress) -> None:
        self._address = address

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

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Message | None]]:
        handler = self._by_method.get(name)
        if handler is None:
            raise NoHandler(
                f"kind {self._kind.kind!r} has no handler named {name!r}. "
                f"Its handlers: {', '.join(sorted(self._by_method)) or 'none'}."
            )

        def ask(*given: Message, **fields: object) -> Awaitable[Message | None]:
            wanted = handler.message.__name__
            if len(given) != 1 or fields:
                raise BadMessage(f"{name} takes one {wanted} and nothing else: {name}({wanted}(…)).")
            if not isinstance(given[0], handler.message):
                raise BadMessage(f"{name} takes a {wanted}, not {described(given[0])}.")
            return self._ask(given[0])

        return ask


def address_of(kind: object, key: str) -> AgentAddress:
    """Of an agent by its class."""
    if not isinstance(kind, type) or not issubclass(kind, Agent) or kind is Agent:
        raise UnknownKind(
            f"{getattr(kind, '__name__', repr(kind))} is not an agent class: give one like `class Counter(Agent, "
            'kind="counter")`, or use the address.'
        )
    return AgentAddress.of(kind.kind, key)


def agent_class(kind: str) -> type[Agent]:
    try:
        return _kinds[kind]
    except KeyError:
        near = get_close_matches(kind, _kinds, n=1)
        hint = f": did you mean `{near[0]}`?" if near else f". Known here: {', '.join(sorted(_kinds)) or 'none'}."
        raise UnknownKind(f"no agent class has the kind {kind!r}{hint}") from None


def check_handled(recipient: str, message: object) -> type[Agent] | None:
    """Refuses what the recipient's kind has no handler for. A kind that is not known here may be known elsewhere."""
    address = AgentAddress.parse(recipient)
    check_message(message, recipient)
    kind = _kinds.get(address.kind)
    if kind is not None and isinstance(message, Message):
        kind.handler_of(message.message_name)
    return kind


def check_told(recipient: str, message: Message) -> None:
    """Also refuses what the recipient's mailbox could never hold."""
    kind = check_handled(recipient, message)
    if kind is not None and not kind.options.ephemeral and kind.options.bounds.bytes < LARGEST_BODY:
        size = len(body_of(message))
        refuse_unfit(message.message_name, size, AgentAddress.parse(recipient), kind.options.bounds)


def bounds_of(recipient: str) -> Bounds:
    """A kind that is not known here may be known elsewhere: then the usual ones."""
    kind = _kinds.get(AgentAddress.parse(recipient).kind)
    return kind.options.bounds if kind is not None else Bounds()


def shares_hosts(kind: str) -> bool:
    """Whether the kind is known here and asks for no hosts of its own."""
    return kind in _kinds and _kinds[kind].options.hosts is None


def agent_classes() -> list[type[Agent]]:
    return [_kinds[kind] for kind in sorted(_kinds)]


def _options(name: str, given: Mapping[str, Any]) -> Options:
    known = [field.name for field in fields(Options)]
    for argument in given:
        if argument not in known:
            raise BadClass(f"{name}: agent classes take no argument {argument!r}. They take kind, {', '.join(known)}.")
    return Options(**given)


def _handlers_of(cls: type[Agent]) -> list[Handler]:
    found = [
        _handler(cls, name, method)
        for name, method in inspect.getmembers(cls, inspect.isfunction)
        if hasattr(method, "__resprout_handler__")
    ]
    _refuse_forgotten(cls, {handler.method for handler in found})
    by_message: dict[str, Handler] = {}
    for handler in found:
        other = by_message.setdefault(handler.message.message_name, handler)
        if other is not handler:
            raise BadClass(f"{cls.__name__}: {other.method} and {handler.method} both handle the same message type.")
    return found


def _refuse_forgotten(cls: type[Agent], handlers: set[str]) -> None:
    """What is made as a handler is: without its mark, its messages would be refused when they come."""
    for name, method in inspect.getmembers(cls, inspect.iscoroutinefunction):
        if name.startswith("_") or name in handlers or hasattr(Agent, name):
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


def _handler(cls: type[Agent], name: str, method: Callable[..., Any]) -> Handler:
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
