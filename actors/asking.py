"""Another agent, by its class: its handlers are methods that ask."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from .arguments import described
from .errors import BadMessage, NoHandler
from .message import Message

if TYPE_CHECKING:
    from .agent import Agent


class Asking:
    """Looks like an agent to the type checker; calling a handler on it asks."""

    def __init__(self, kind: "type[Agent]", ask: Callable[[Message], Awaitable[Message | None]]) -> None:
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
