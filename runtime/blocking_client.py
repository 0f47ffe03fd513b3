"""The client for code without a loop, a script or a notebook: the same words, without `await`.

Nothing here knows what a client can do: whatever is called on it is called on the async one, whose loop runs in a
thread of its own, and waited for. Its types come from there, too: what an async method takes the blocking one takes.

    with Client.in_thread() as client:
        total = client.of(Counter, "ada").add(Add(amount=1))  # for the type checker: Any
        total = client.of(Counter, "ada").ask(Counter.add, Add(amount=1))  # a Total
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, Unpack, cast, overload

from ..actors.agent import Agent
from ..actors.errors import BadMessage, ClientClosed
from ..actors.message import Message

if TYPE_CHECKING:
    from ..workflows.flow import Flow
    from .agent_words import AgentWords
    from .blocking_runs import BlockingRun, BlockingRuns
    from .blocking_sandboxes import BlockingSandboxes
    from .client import AgentRef, Client
    from .runs import RunRef

P = ParamSpec("P")
Result = TypeVar("Result")
Kind = TypeVar("Kind", bound=Agent)
Given = TypeVar("Given", bound=Message)


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

    def blocking(self, call: Callable[P, Awaitable[Result]]) -> Callable[P, Result]:
        @wraps(call)
        def blocking(*args: P.args, **options: P.kwargs) -> Result:
            self.check_open()
            return self.wait(call(*args, **options))

        return blocking

    def each(self, found: AsyncIterator[Result]) -> Iterator[Result]:
        end = object()
        while (one := self.wait(anext(found, end))) is not end:
            yield cast("Result", one)

    def check_open(self) -> None:
        if self.loop.is_closed():
            raise ClientClosed(
                "this client is closed: the `with` block that opened it has ended. Open another with "
                "`with Client.in_thread() as client:` and call inside of it."
            )

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


class BlockingRef:
    """An agent by its address."""

    def __init__(self, ref: "AgentRef", thread: LoopInThread) -> None:
        self.address = ref.address
        self.ask = thread.blocking(ref.ask)
        self.tell = thread.blocking(ref.tell)
        self.stop = thread.blocking(ref.stop)


class BlockingAgent(Generic[Kind]):
    """An agent by its class: its handlers can be called on it.

    What they return without `await` no type checker can know. Where it shall, `ask` takes the handler.
    """

    def __init__(self, agent: Kind, thread: LoopInThread) -> None:
        self._agent = agent
        self._thread = thread

    def ask(self, handler: Callable[[Kind, Given], Coroutine[Any, Any, Result]], message: Given) -> Result:
        name = getattr(handler, "__name__", None)
        if name is None:
            raise BadMessage(f"{handler!r} is no handler. Give one of the agent's class, as in Counter.add.")
        return cast("Result", getattr(self, name)(message))

    def __getattr__(self, name: str) -> Callable[[Message], Any]:
        return self._thread.blocking(getattr(self._agent, name))


class BlockingClient:
    def __init__(self, client: "Client", thread: LoopInThread) -> None:
        from .client import AgentRef

        self.name, self.tenant = client.name, client.tenant
        self._client = client
        self._thread = thread
        self.publish = thread.blocking(client.publish)
        self.call_tool = thread.blocking(client.call_tool)
        self.submit = self._giving_a_run(client.submit)
        self.ask = self._by_address(AgentRef.ask)
        self.tell = self._by_address(AgentRef.tell)
        self.stop = self._by_address(AgentRef.stop)

    def agent(self, address: str) -> BlockingRef:
        self._thread.check_open()
        return BlockingRef(self._client.agent(address), self._thread)

    def of(self, kind: type[Kind], key: str) -> BlockingAgent[Kind]:
        self._thread.check_open()
        return BlockingAgent(self._client.of(kind, key), self._thread)

    @overload
    def run(
        self,
        flow: "str | Path | Flow",
        inputs: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        tags: Sequence[str] = (),
        wait: Literal[True] = True,
    ) -> Any: ...
    @overload
    def run(
        self,
        flow: "str | Path | Flow",
        inputs: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        tags: Sequence[str] = (),
        wait: Literal[False],
    ) -> "BlockingRun": ...
    def run(
        self,
        flow: "str | Path | Flow",
        inputs: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,  # noqa: A002
        tags: Sequence[str] = (),
        wait: bool = True,
    ) -> Any:
        run = self._giving_a_run(self._client.run)(flow, inputs, id=id, tags=tags, wait=False)
        return run.result() if wait else run

    @overload
    def run_agent(
        self, goal: str, *, id: str | None = None, wait: Literal[True] = True, **words: "Unpack[AgentWords]"
    ) -> Any: ...
    @overload
    def run_agent(
        self, goal: str, *, id: str | None = None, wait: Literal[False], **words: "Unpack[AgentWords]"
    ) -> "BlockingRun": ...
    def run_agent(
        self,
        goal: str,
        *,
        id: str | None = None,  # noqa: A002
        wait: bool = True,
        **words: "Unpack[AgentWords]",
    ) -> Any:
        if wait:
            return self._thread.blocking(self._client.run_agent)(goal, id=id, **words)
        return self._giving_a_run(self._client.run_agent)(goal, id=id, wait=False, **words)

    @property
    def sandboxes(self) -> "BlockingSandboxes":
        from .blocking_sandboxes import BlockingSandboxes

        self._thread.check_open()
        return BlockingSandboxes(self._client.sandboxes, self._thread)

    def runs(self) -> "BlockingRuns":
        from .blocking_runs import BlockingRuns

        return BlockingRuns(self._thread.blocking(self._client.runs)(), self._thread)

    def _by_address(
        self, call: "Callable[Concatenate[AgentRef, P], Awaitable[Result]]"
    ) -> Callable[Concatenate[str, P], Result]:
        def by_address(agent: str, /, *args: P.args, **options: P.kwargs) -> Result:
            self._thread.check_open()
            return self._thread.wait(call(self._client.agent(agent), *args, **options))

        return wraps(call)(by_address)

    def _giving_a_run(self, call: "Callable[P, Awaitable[RunRef]]") -> "Callable[P, BlockingRun]":
        from .blocking_runs import BlockingRun

        def giving_a_run(*args: P.args, **options: P.kwargs) -> BlockingRun:
            return BlockingRun(self._thread.blocking(call)(*args, **options), self._thread)

        return wraps(call)(giving_a_run)


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
