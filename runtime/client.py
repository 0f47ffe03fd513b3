"""Talking to agents and running flows from Python, outside of any host and workflow.

    async with await Client.connect() as client:
        reply = await client.agent("greeter/ada").ask(Greet(name="ada"))
        total = await client.of(Counter, "ada").add(Add(amount=2))
        output = await client.run("hello.flow.yaml", {"name": "ada"})

A call that ends in DeadlinePassed or DatabaseLost may have happened: ask again with the same `id` to learn it.
In a notebook or script without a loop, `with Client.in_thread() as client:` gives the same, without `await`.
"""

import asyncio
import json
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, cast, overload
from uuid import UUID

from ..actors.address import AgentAddress
from ..actors.agent import Agent, address_of
from ..actors.arguments import check_id, check_message, check_moment, check_priority, check_span
from ..actors.asking import Asking
from ..actors.calls import Caller, Lost
from ..actors.envelope import Envelope, Priority
from ..actors.errors import ClientClosed, DeadlineInPast, NotRunning, OutcomeUnknown, ResproutError, RunFailed
from ..actors.ids import new_id
from ..actors.message import Message, body_of, parse_stored
from ..actors.roles.topic import Publish
from ..actors.tracing import carried
from ..actors.turn import refuse_large
from .blocking_client import BlockingClient, in_thread
from .calls import connected
from .connections import Connections
from .settings import Settings, load
from .stack.find import attach

if TYPE_CHECKING:
    from ..workflows.flow import Flow
    from .agent_words import AgentWords
    from .runs import RunRef, Runs
    from .sandbox_client import SandboxClient

PATIENCE = timedelta(seconds=30)
LONGEST = timedelta(days=36_500)  # calendars end

Kind = TypeVar("Kind", bound=Agent)


class Client:
    """Finds hosts by Postgres and talks to them directly; also to those of a stack that was started anew meanwhile.

    Temporal is connected to when the first run is spoken of.
    """

    def __init__(self, caller: Caller, *, tenant: str = "default", settings: Settings | None = None) -> None:
        self.caller = caller
        self.tenant = tenant
        self.closed = False
        self.settings = settings
        self._runs: asyncio.Future[Runs] | None = None
        self._sandboxes: SandboxClient | None = None
        self.name = f"client:{socket.gethostname()}:{os.getpid()}:{new_id().hex[-8:]}"

    @classmethod
    async def connect(cls, settings: Settings | None = None, *, tenant: str = "default") -> "Client":
        """By default, to what resprout.toml, the environment and the stack of this directory say."""
        settings = settings or load().settings
        return cls(await connected(settings), tenant=tenant, settings=settings)

    @classmethod
    def in_thread(
        cls, settings: Settings | None = None, *, tenant: str = "default"
    ) -> AbstractContextManager[BlockingClient]:
        return in_thread(lambda: cls.connect(settings, tenant=tenant))

    def agent(self, address: str) -> "AgentRef":
        return AgentRef(AgentAddress.parse(address), self)

    def of(self, kind: type[Kind], key: str) -> Kind:
        """An agent by its class, typed: what is called on it is asked. It takes the class' handlers and no others."""
        ref = AgentRef(address_of(kind, key), self)
        return cast("Kind", Asking(kind, ref.ask))

    async def publish(
        self,
        topic: str,
        message: Message,
        *,
        timeout: timedelta = PATIENCE,
        id: UUID | None = None,  # noqa: A002
        again: bool | None = None,
    ) -> UUID:
        """To every agent that is subscribed to the topic. Accepted is kept: it may reach them a moment later.

        Returns an id, under which it is published once, however often it is said.
        """
        address = AgentAddress.of("topic", topic)
        check_message(message, f"topic {topic}")
        publish = Publish(type=message.message_name, version=message.message_version, body=body_of(message))
        return await AgentRef(address, self).tell(publish, timeout=timeout, id=id, again=again)

    def check_open(self) -> None:
        if self.closed:
            raise ClientClosed(
                "this client is closed: the `async with` block that opened it has ended, or `close()` was called. "
                "Open another with `Client.connect()`."
            )

    @overload
    async def run(
        self,
        flow: "str | Path | Flow",
        inputs: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        tags: Sequence[str] = (),
        wait: Literal[True] = True,
    ) -> Any: ...
    @overload
    async def run(
        self,
        flow: "str | Path | Flow",
        inputs: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        tags: Sequence[str] = (),
        wait: Literal[False],
    ) -> "RunRef": ...
    async def run(
        self,
        flow: "str | Path | Flow",
        inputs: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,  # noqa: A002
        tags: Sequence[str] = (),
        wait: bool = True,
    ) -> Any:
        """Runs a flow, from a file or built in Python; its output, or without `wait` a reference to the run.

        Raises BadFlow for mistakes in the flow, Rejected for inputs that do not fit, RunFailed when the run fails.
        """
        from .flow_start import freeze_flow, run_input

        given = run_input(freeze_flow(flow), inputs or {}, tenant=self.tenant, tags=tags)
        run = await (await self.runs()).start(given, id)
        return await run.result() if wait else run

    @overload
    async def run_agent(
        self, goal: str, *, id: str | None = None, wait: Literal[True] = True, **words: "Unpack[AgentWords]"
    ) -> Any: ...
    @overload
    async def run_agent(
        self, goal: str, *, id: str | None = None, wait: Literal[False], **words: "Unpack[AgentWords]"
    ) -> "RunRef": ...
    async def run_agent(
        self,
        goal: str,
        *,
        id: str | None = None,  # noqa: A002
        wait: bool = True,
        **words: "Unpack[AgentWords]",
    ) -> Any:
        """Gives an agent a goal: its answer, or without `wait` a reference to the run. The words are those of
        `AgentWords`: role, system, model, tools, agent (the key of a conversation), answer (JSON Schema), …

        Raises Rejected for what no agent can be given, RunFailed when the run fails or stops unfinished.
        """
        from ..workflows.agent_run.run_input import AgentResult
        from ..workflows.flow.error_types import UNFINISHED
        from .agent_runs import agent_run_input, start

        given = agent_run_input(goal=goal, **{"tenant": self.tenant, **words})
        run = await start(await self.runs(), given, id, once=id is not None)
        if not wait:
            return run
        result = AgentResult.model_validate(await run.result())
        if result.status != "answered":
            raise RunFailed(run.id, "stopped unfinished", result.note, UNFINISHED)
        return result.answer

    async def call_tool(
        self,
        tool: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,  # noqa: A002
    ) -> Any:
        """Calls a tool as a durable step and waits for what it gives; a call that needs approval waits for that too.

        The `id` of a run names the call: who asks again under an id gets the run that is going on, or has given it.
        """
        from .tool_flow import run_of_call

        given = run_of_call(tool, dict(arguments or {}), tenant=self.tenant)
        run = await (await self.runs()).start(given, id, once=id is not None)
        return await run.result()

    async def submit(
        self,
        message: Message,
        *,
        capability: str | None = None,
        agent: str | None = None,
        retries: int = 3,
        timeout: timedelta = timedelta(minutes=1),
        priority: Priority = "normal",
        id: str | None = None,  # noqa: A002
        again: bool = False,
    ) -> "RunRef":
        """Submits a job for an agent, or for whoever can do it; `result()` of what this gives waits for the reply.

        The id of a task that was given up is refused, unless `again` says that this one takes its place.
        """
        from .tasks import Tasks, task_input

        check_message(message, agent or f"whoever can {capability}")
        given = task_input(
            capability=capability,
            agent=agent,
            message=message.message_name,
            body=json.loads(body_of(message)),
            retries=retries,
            timeout=timeout,
            priority=priority,
            tenant=self.tenant,
        )
        return await Tasks(await self.runs()).submit(given, id, again=again)

    async def runs(self) -> "Runs":
        """All runs: `(await client.runs()).get("my-run")`."""
        if self._runs is None:
            self._runs = asyncio.ensure_future(self._connect_to_temporal())
        try:
            return await asyncio.shield(self._runs)
        except ResproutError:  # the next who asks tries again
            self._runs = None
            raise

    @property
    def sandboxes(self) -> "SandboxClient":
        """Untrusted code: `await client.sandboxes.run(language="python", code="print(6 * 7)")`."""
        from .sandbox_client import SandboxClient

        if self._sandboxes is None:
            self._sandboxes = SandboxClient(self.settings, self.tenant)
        return self._sandboxes

    async def _connect_to_temporal(self) -> "Runs":
        from . import temporal
        from .runs import Runs
        from .speech import Listening

        settings = attach(self.settings or load().settings, "temporal.address")
        return Runs(await temporal.client_of(settings), settings.temporal, Listening(settings, self.caller))

    async def close(self) -> None:
        self.closed = True
        if self._sandboxes is not None:
            await self._sandboxes.close()
        cast("Connections", self.caller.transport).close()

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


@dataclass(frozen=True)
class AgentRef:
    address: AgentAddress
    client: Client

    async def ask(
        self,
        message: Message,
        *,
        timeout: timedelta = PATIENCE,
        id: UUID | None = None,  # noqa: A002
        priority: Priority = "normal",
        again: bool | None = None,
    ) -> Message | None:
        """The reply, None if the handler gives none. A message with an `id` that was handled gets its stored reply.

        `again` says whether the id may have been sent before; a hint, taken as true where an id is given.
        """
        envelope = self._envelope("ask", message, id, priority, self._until(timeout), again)
        assert envelope.deadline is not None
        reply = await self.client.caller.ask(envelope)
        return parse_stored(reply.type, reply.version, reply.body or "{}") if reply.type is not None else None

    async def tell(
        self,
        message: Message,
        *,
        timeout: timedelta = PATIENCE,
        id: UUID | None = None,  # noqa: A002
        priority: Priority = "normal",
        deadline: datetime | None = None,
        again: bool | None = None,
    ) -> UUID:
        """Returns the message's id when it is kept on disk. It is handled once, or found among the dead letters;
        after `deadline`, if one is given, it is not handled any more."""
        if deadline is not None:
            check_moment("deadline", deadline)
            if deadline <= datetime.now(UTC):
                raise DeadlineInPast(f"the deadline {deadline} of a message to {self.address} has passed already.")
        envelope = self._envelope("tell", message, id, priority, deadline, again)
        await self.client.caller.tell(envelope, self._until(timeout))
        return envelope.id

    async def stop(self) -> bool:
        """Puts the agent away, after the turn it is in: out of memory, with its state kept. Its next message brings it
        back. False if it was not in memory."""
        self.client.check_open()
        await self.client.caller.look()
        host = self.client.caller.routes.host_of(self.address)
        if host is None:
            raise NotRunning(f"no host has {self.address} now. Try again in a moment.")
        try:
            return await cast("Connections", self.client.caller.transport).stop(host, self.address)
        except (Lost, TimeoutError):
            raise OutcomeUnknown(
                f"the host of {self.address} does not say that it was put away. A long turn ends first; if the "
                "host lives, the agent leaves memory after it."
            ) from None

    def _until(self, timeout: timedelta) -> datetime:
        check_span("timeout", timeout)
        if timeout <= timedelta(0):
            raise DeadlineInPast(
                f"the deadline of a message to {self.address} is in the past. Give a timeout above zero."
            )
        return datetime.now(UTC) + min(timeout, LONGEST)

    def _envelope(
        self,
        way: Any,
        message: Message,
        id: UUID | None,  # noqa: A002
        priority: Priority,
        deadline: datetime | None,
        again: bool | None,
    ) -> Envelope:
        self.client.check_open()
        check_message(message, str(self.address))
        check_id(id)
        check_priority(priority)
        body = body_of(message)
        refuse_large(body, "`%s` to %s", message.message_name, self.address)
        return Envelope(
            id=id or new_id(),
            way=way,
            recipient=str(self.address),
            sender=self.client.name,
            type=message.message_name,
            version=message.message_version,
            body=body,
            priority=priority,
            tenant=self.client.tenant,
            deadline=deadline,
            trace=carried(),
            attempt=2 if (id is not None if again is None else again) else 1,
        )
