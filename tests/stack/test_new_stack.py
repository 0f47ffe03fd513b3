"""A client lives longer than the stack that it found: it finds the next one by itself."""

import asyncio
from datetime import timedelta

from resprout.actors.roles import Greet, Greeting
from resprout.runtime.client import Client
from resprout.runtime.settings import Settings
from support.stack import Stack, kill_all

LONG = timedelta(minutes=3)


async def test_a_client_goes_on_with_a_stack_that_was_started_anew(own_stack: Stack) -> None:
    await asyncio.to_thread(own_stack.up)
    async with await Client.connect(Settings(data_dir=own_stack.data_dir)) as client:
        ada = client.agent("greeter/ada")
        assert await ada.ask(Greet(name="ada")) == Greeting(text="Hello ada!", times=1)

        await asyncio.to_thread(own_stack.down)
        asked_meanwhile = asyncio.create_task(ada.ask(Greet(name="ada"), timeout=LONG))
        told_meanwhile = asyncio.create_task(ada.tell(Greet(name="ada"), timeout=LONG))
        await asyncio.to_thread(own_stack.up)

        assert isinstance(await asked_meanwhile, Greeting)
        await told_meanwhile
        assert await ada.ask(Greet(name="ada")) == Greeting(text="Hello ada again, for the 4th time!", times=4)


async def test_an_ask_in_its_turn_is_answered_by_the_stack_that_follows_one_of_which_everything_was_killed(
    own_stack: Stack,
) -> None:
    await asyncio.to_thread(own_stack.up)
    async with await Client.connect(Settings(data_dir=own_stack.data_dir)) as client:
        ada = client.agent("greeter/ada")
        in_turn = asyncio.create_task(ada.ask(Greet(name="ada", think_seconds=5), timeout=LONG))
        while not client.caller.transport.open:  # type: ignore[attr-defined]
            await asyncio.sleep(0.01)

        kill_all(await asyncio.to_thread(own_stack.processes))
        await asyncio.to_thread(own_stack.up)

        assert await in_turn == Greeting(text="Hello ada!", times=1)
