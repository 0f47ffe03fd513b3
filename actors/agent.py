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
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, TypeVar, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from .address import AgentAddress
from .asking import Asking
from .capabilities import Capability
from .envelope import Envelope, Priority
from .errors import BadClass, Broken, NewerVersion, Rejected, UnknownKind, UnknownMessage
from .handlers import Handler, handlers_of, on
from .kinds import check_handled, check_told, register
from .logger import get_logger
from .message import Message
from .options import Bounds, DedicatedHosts, Options, options_of
from .reminders import Missed
from .storable import overrides, refuse_unstorable, refuse_version
from .turn import Turn, current

__all__ = ["Agent", "Bounds", "DedicatedHosts", "address_of", "ephemeral", "on"]  # what a developer imports is here

Other = TypeVar("Other", bound="Agent")

_IMMUTABLE = (str, int, float, bool, type(None), bytes, UUID, datetime, date, timedelta, Decimal, Message)


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
        cls.options = options_of(cls.__name__, options)
        refuse_version(cls.__name__, cls.options.version, upcasts=overrides(cls, Agent, "upcast"))
        refuse_unstorable(
            cls, "Use a type that JSON has, a pydantic model, or `ephemeral(default=…)` for what shall go."
        )
        cls.handlers = {handler.message.message_name: handler for handler in handlers_of(cls, Agent)}
        missing = [name for name, about in cls.model_fields.items() if about.is_required()]
        if missing:
            raise BadClass(f"{cls.__name__}.{missing[0]} needs a default: an agent exists before its first message.")
        register(kind, cls)

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

    def write_journal(self, number: int, entry: BaseModel) -> None:
        """Puts an entry into the agent's journal, with this turn's commit: for what grows, and is not to be written
        anew with the state of each turn. The agent counts by itself; a number that is there is written over."""
        self._kept_turn("keep a journal").enter(number, entry.model_dump_json())

    async def read_journal(self, first: int, last: int) -> Sequence[str]:
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


def address_of(kind: object, key: str) -> AgentAddress:
    """Of an agent by its class."""
    if not isinstance(kind, type) or not issubclass(kind, Agent) or kind is Agent:
        raise UnknownKind(
            f"{getattr(kind, '__name__', repr(kind))} is not an agent class: give one like `class Counter(Agent, "
            'kind="counter")`, or use the address.'
        )
    return AgentAddress.of(kind.kind, key)
