"""The agent classes that this process knows, by their kinds, and what can be said of a recipient by its kind.

The invariant: a kind that is not known here may be known elsewhere, and nothing is refused for that alone.
"""

from difflib import get_close_matches
from typing import TYPE_CHECKING

from .address import AgentAddress
from .arguments import check_message
from .errors import BadClass, UnknownKind
from .fullness import refuse_unfit
from .message import Message, body_of
from .options import Bounds
from .turn import LARGEST_BODY

if TYPE_CHECKING:
    from .agent import Agent

_kinds: dict[str, type["Agent"]] = {}


def register(kind: str, cls: "type[Agent]") -> None:
    """The same class again, as a reload makes it, takes the place of the old one."""
    known = _kinds.setdefault(kind, cls)
    if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise BadClass(f"two agent classes have the kind {kind!r}: {known} and {cls}. Rename one.")
    _kinds[kind] = cls


def agent_class(kind: str) -> "type[Agent]":
    try:
        return _kinds[kind]
    except KeyError:
        near = get_close_matches(kind, _kinds, n=1)
        hint = f": did you mean `{near[0]}`?" if near else f". Known here: {', '.join(sorted(_kinds)) or 'none'}."
        raise UnknownKind(f"no agent class has the kind {kind!r}{hint}") from None


def check_handled(recipient: str, message: object) -> "type[Agent] | None":
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


def agent_classes() -> "list[type[Agent]]":
    return [_kinds[kind] for kind in sorted(_kinds)]
