"""Bad input from Python: each mistake has its own error, and its sentence names the remedy."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from resprout.actors.errors import (
    BadAddress,
    BadMessage,
    CallCycle,
    ClientClosed,
    DeadlineInPast,
    MailboxFull,
    TooLarge,
    UnknownKind,
    UnknownMessage,
)
from resprout.actors.roles import Greet
from resprout.runtime.client import Client
from resprout.runtime.settings import load
from support.clerks import CallBack, Clerk, Done, Follow, Work
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
    await desk.tell(Work(think_seconds=60))

    with pytest.raises(MailboxFull, match="try again in about a second"):
        await desk.tell(Work())


async def test_an_agent_is_asked_by_its_class(client: Client) -> None:
    assert await client.of(Clerk, uuid4().hex).work(Work(by=4)) == Done(count=4)


async def test_a_blocking_client_needs_no_loop(stack: Stack) -> None:
    key, topic = uuid4().hex, uuid4().hex

    def script() -> None:
        with Client.in_thread(load({("data_dir",): str(stack.data_dir)}, {}).settings) as client:
            clerk = client.of(Clerk, key)
            assert clerk.work(Work(by=2)) == Done(count=2)
            assert clerk.ask(Clerk.work, Work(by=0)).count == 2
            assert isinstance(client.tell(f"clerk/{key}", Work(by=2)), UUID)
            assert client.agent(f"clerk/{key}").ask(Work(by=0), timeout=timedelta(seconds=10)) == Done(count=4)
            client.ask(f"clerk/{key}", Follow(topic=topic))
            client.publish(topic, Work(by=3))
            while clerk.work(Work(by=0)) != Done(count=7):
                pass
            assert client.stop(f"clerk/{key}")
            assert client.agent(f"clerk/{key}").stop() is False
        with pytest.raises(ClientClosed, match="the `with` block that opened it has ended"):
            clerk.work(Work())
        with pytest.raises(ClientClosed, match=r"Client\.in_thread"):
            client.agent("clerk/a")

    await asyncio.to_thread(script)


async def test_a_client_that_was_closed_says_so(stack: Stack) -> None:
    async with await Client.connect(load({("data_dir",): str(stack.data_dir)}, {}).settings) as client:
        clerk = client.agent("clerk/a")

    for call in (clerk.ask(Work()), clerk.tell(Work()), client.publish("news", Work()), clerk.stop()):
        with pytest.raises(ClientClosed, match=r"Client\.connect"):
            await call
