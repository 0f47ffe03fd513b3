"""Bad input from Python: each mistake has its own error, and its sentence names the remedy."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from resprout.actors.errors import (
    BadAddress,
    BadMessage,
    CallCycle,
    DeadlineInPast,
    MailboxFull,
    TooLarge,
    UnknownKind,
    UnknownMessage,
)
from resprout.actors.roles import Greet
from resprout.runtime.client import Client
from resprout.runtime.settings import load
from support.clerks import CallBack, Clerk, Done, Work
from support.stack import Stack


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    async with await Client.connect(load({("data_dir",): str(stack.data_dir)}, {}).settings) as client:
        yield client


async def test_bad_input_is_refused_with_its_own_error(client: Client) -> None:
    clerk = client.agent("clerk/a")

    with pytest.raises(UnknownKind, match=r"Known here: .*clerk"):
        await client.agent("nobody/a").ask(Work())
    with pytest.raises(BadAddress, match="write kind/key"):
        client.agent("clerk")
    with pytest.raises(BadAddress, match="200 printable"):
        client.agent("clerk/" + "k" * 201)
    with pytest.raises(UnknownMessage, match=r"They handle: .*clerk\.work"):
        await clerk.ask(Greet(name="ada"))
    with pytest.raises(BadMessage, match="work takes a Work, not a Greet"):
        await client.of(Clerk, "a").work(Greet(name="ada"))  # type: ignore[arg-type]
    with pytest.raises(TooLarge, match="send a reference"):
        await clerk.tell(Work(words="x" * 1_100_000))
    with pytest.raises(DeadlineInPast, match="timeout above zero"):
        await clerk.ask(Work(), timeout=timedelta(0))
    with pytest.raises(DeadlineInPast, match="has passed already"):
        await clerk.tell(Work(), deadline=datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(CallCycle, match=r"clerk/a → clerk/b → clerk/a.*`tell` instead"):
        await clerk.ask(CallBack(to="clerk/b"))


async def test_a_full_mailbox_says_so_and_when_to_come_back(client: Client) -> None:
    desk = client.agent(f"small-desk/{uuid4().hex}")
    await desk.tell(Work(think_seconds=5))

    with pytest.raises(MailboxFull, match="try again in about a second"):
        await desk.tell(Work())


async def test_an_agent_is_asked_by_its_class(client: Client) -> None:
    assert await client.of(Clerk, uuid4().hex).work(Work(by=4)) == Done(count=4)


async def test_a_blocking_client_needs_no_loop(stack: Stack) -> None:
    def script() -> object:
        with Client.in_thread(load({("data_dir",): str(stack.data_dir)}, {}).settings) as client:
            agent = f"clerk/{uuid4().hex}"
            client.tell(agent, Work(by=2))
            return client.ask(agent, Work(by=0))

    assert isinstance(await asyncio.to_thread(script), Done)
