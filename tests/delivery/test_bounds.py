"""What a full mailbox says: which bound was hit, what helps, and what can never fit."""

import asyncio
import json
import pickle
from datetime import timedelta

import pytest
from resprout.actors.agent import Agent, Bounds, on
from resprout.actors.envelope import OUTCOMES, Failed
from resprout.actors.errors import MailboxFull, TooLarge
from resprout.actors.limits import Limits
from resprout.actors.message import Message
from resprout.memory.database import Database
from resprout.memory.store import PostgresStore
from support.house import House, hosts


class Parcel(Message, name="narrow.parcel"):
    wrapping: str = ""
    hold_seconds: float = 0.0


class Forward(Message, name="narrow.forward"):
    to: str
    wrapping: str


class Narrow(Agent, kind="narrow", bounds=Bounds(rows=20, bytes=2_000)):
    @on
    async def take(self, message: Parcel) -> None:
        await asyncio.sleep(message.hold_seconds)

    @on
    async def forward(self, message: Forward) -> None:
        self.tell(message.to, Parcel(wrapping=message.wrapping))


BIG = Parcel(wrapping="x" * 800)
HELD = Parcel(hold_seconds=600)  # for longer than any test lasts


async def keep_busy(house: House, agent: str, *more: Parcel) -> None:
    for parcel in (HELD, *more):
        await house.tells(agent, parcel)


async def test_a_mailbox_that_is_full_of_bytes_names_them_and_when_to_come_back(house: House) -> None:
    await keep_busy(house, "narrow/a", BIG, BIG)

    with pytest.raises(MailboxFull, match=r"narrow/a is full \(its bound is 2,000 bytes of messages") as refused:
        await house.tells("narrow/a", BIG)

    assert refused.value.retry_after == timedelta(seconds=1)
    await house.tells("narrow/a", Parcel())  # what is smaller has room


async def test_a_mailbox_that_is_full_of_messages_names_them(house: House) -> None:
    await keep_busy(house, "narrow/a", *[Parcel()] * 19)

    with pytest.raises(MailboxFull, match=r"its bound is 20 messages\)") as refused:
        await house.tells("narrow/a", Parcel())

    assert refused.value.retry_after == timedelta(seconds=1)


async def test_a_turn_that_tells_a_mailbox_full_of_bytes_names_the_bound(house: House) -> None:
    await keep_busy(house, "narrow/a", BIG, BIG)
    await house.asks("narrow/b", Forward(to="narrow/a", wrapping=BIG.wrapping))  # the last one may overshoot

    with pytest.raises(MailboxFull, match=r"narrow/b tells narrow/a, but .* 2,000 bytes of messages") as refused:
        await house.asks("narrow/b", Forward(to="narrow/a", wrapping="y"))

    assert refused.value.retry_after == timedelta(seconds=1)


async def test_what_is_larger_than_a_mailbox_is_not_refused_as_full(house: House) -> None:
    with pytest.raises(TooLarge, match=r"`narrow.parcel` to narrow/a has 3,\d\d\d bytes, .* kind 'narrow' take 2,000"):
        await house.tells("narrow/a", Parcel(wrapping="x" * 3_000))


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        (Limits(tenant_rows=3), r"tenant 'small' has 3 messages waiting.*hosts.tenant_rows"),
        (Limits(tenant_bytes=2_000), r"tenant 'small' has 1,\d\d\d bytes of messages waiting.*hosts.tenant_bytes"),
    ],
)
async def test_a_tenant_that_is_full_names_the_bound(database: Database, limits: Limits, sentence: str) -> None:
    async with hosts(PostgresStore(database), limits=limits) as (house, _):
        for n, parcel in enumerate((HELD, BIG, BIG)):
            held = parcel.model_copy(update={"hold_seconds": HELD.hold_seconds})
            await house.tells(f"narrow/{n % 2}", held, tenant="small")

        with pytest.raises(MailboxFull, match=sentence) as refused:
            await house.tells("narrow/b", BIG, tenant="small")

    assert refused.value.retry_after == timedelta(seconds=5)


def test_when_to_come_back_survives_pickling_and_the_wire() -> None:
    error = MailboxFull("full.", timedelta(seconds=1.5))

    again = pickle.loads(pickle.dumps(error))

    assert (str(again), again.retry_after) == ("full.", timedelta(seconds=1.5))
    failed = Failed(error="MailboxFull", text="full.", retry_after=error.retry_after)
    assert OUTCOMES.validate_json(OUTCOMES.dump_json([(1, failed)])) == [(1, failed)]
    older = json.dumps([[1, {"outcome": "failed", "error": "MailboxFull", "text": "full."}]])
    assert OUTCOMES.validate_json(older)[0][1] == Failed(error="MailboxFull", text="full.")
