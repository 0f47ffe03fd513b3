"""The client for code without a loop, a script or a notebook: the same words, without `await`.

Nothing here knows what a client can do: whatever is called on it is called on the async one, whose loop runs in a
thread of its own, and waited for.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import wraps
from inspect import isawaitable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from ..actors.errors import ClientClosed
from ..actors.message import Message

if TYPE_CHECKING:
    from .client import Client

Result = TypeVar("Result")


class LoopInThread:
    """Runs what callers in other threads wait for, until it is stopped."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="resprout-client", daemon=True)
        self.thread.start()

    def wait(self, work: Awaitable[Result]) -> Result:
        async def run() -> Result:
            return await work

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


class Part:
    """What a client hands out to be called, by an attribute or after a wait: a blocking client has it block as well."""


class Blocking:
    """Looks like `target`; what it would await is waited for, and what it hands out blocks as well."""

    def __init__(self, target: Any, thread: LoopInThread) -> None:
        self._target = target
        self._thread = thread

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if isinstance(found, Part):
            return Blocking(found, self._thread)
        return self._blocking(found) if callable(found) else found

    def __enter__(self) -> Any:
        return self._thread.wait(self._target.__aenter__())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        return self._thread.wait(self._target.__aexit__(kind, error, trace))

    def __repr__(self) -> str:
        return f"<blocking {self._target!r}>"

    def _blocking(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def blocking(*args: Any, **options: Any) -> Any:
            if self._thread.loop.is_closed():
                raise ClientClosed(
                    "this client is closed: the `with` block that opened it has ended. Open another with "
                    "`with Client.in_thread() as client:` and call inside of it."
                )
            result = call(*args, **options)
            if isawaitable(result):
                awaited = self._thread.wait(result)
                return Blocking(awaited, self._thread) if isinstance(awaited, Part) else awaited
            return Blocking(result, self._thread) if result is not None else None

        return blocking


class BlockingClient(Blocking):
    """`agent`, `of`, `publish` as on a Client; and what an AgentRef can do, in one call."""

    def ask(self, agent: str, message: Message, **options: Any) -> Message | None:
        return cast("Message | None", self.agent(agent).ask(message, **options))

    def tell(self, agent: str, message: Message, **options: Any) -> UUID:
        return cast("UUID", self.agent(agent).tell(message, **options))

    def stop(self, agent: str) -> bool:
        return cast("bool", self.agent(agent).stop())


@contextmanager
def in_thread(connect: "Callable[[], Coroutine[Any, Any, Client]]") -> Iterator[BlockingClient]:
    thread = LoopInThread()
    try:
        client = thread.wait(connect())
        try:
            yield BlockingClient(client, thread)
        finally:
            thread.wait(client.close())
    finally:
        thread.stop()
