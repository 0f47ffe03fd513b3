"""The ledger of budgets on a real Postgres: what is never exceeded by however many, and what a kill leaves behind."""

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from resprout.actors.errors import NotFound
from resprout.actors.models import Amount, Limits, Refusal, Reservation
from resprout.memory.budget_book import BudgetBook, BudgetRow
from resprout.memory.budgets import Budgets
from resprout.memory.database import Database

ABOVE = """
SELECT count(*) FROM resprout.budgets
WHERE spent_tokens + reserved_tokens > max_tokens OR spent_nanos + reserved_nanos > max_nanos
   OR spent_calls + reserved_calls > max_calls
   OR least(spent_tokens, spent_nanos, spent_calls, reserved_tokens, reserved_nanos, reserved_calls) < 0
"""

# What budgets say differs from what the reservations in them do.
UNBALANCED = """
SELECT count(*) FROM resprout.budgets b, LATERAL (
    SELECT coalesce(sum(tokens) FILTER (WHERE state = 'reserved'), 0) AS held_tokens,
           coalesce(sum(nanos) FILTER (WHERE state = 'reserved'), 0) AS held_nanos,
           coalesce(sum(calls) FILTER (WHERE state = 'reserved'), 0) AS held_calls,
           coalesce(sum(tokens) FILTER (WHERE state IN ('lost', 'settled')), 0) AS tokens,
           coalesce(sum(nanos) FILTER (WHERE state IN ('lost', 'settled')), 0) AS nanos,
           coalesce(sum(calls) FILTER (WHERE state IN ('lost', 'settled')), 0) AS calls
    FROM resprout.budget_reservations r WHERE b.id = ANY (r.budgets)
) AS all_in_it
WHERE (reserved_tokens, reserved_nanos, reserved_calls, spent_tokens, spent_nanos, spent_calls)
      <> (held_tokens, held_nanos, held_calls, tokens, nanos, calls)
"""


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    async with await Database.open(dsn, pool_size=10, resets=False) as database:
        yield database


@pytest.fixture
def budgets(database: Database) -> Budgets:
    async def opened() -> Database:
        return database

    return Budgets(opened)


@pytest.fixture
def book(database: Database) -> BudgetBook:
    return BudgetBook.of(database)


async def put(budgets: Budgets, name: str, limits: Limits, parent: str | None = None, tenant: str = "default") -> None:
    await budgets.add(name, limits, tenant=tenant, parent=parent, run="run", title=name)


async def take(
    budgets: Budgets, key: str, budget: str | None, amount: Amount, tenant: str = "default"
) -> Reservation | Refusal:
    return await budgets.reserve(key, amount, tenant=tenant, budget=budget)


async def held(budgets: Budgets, key: str, budget: str | None, amount: Amount, tenant: str = "default") -> Reservation:
    answer = await take(budgets, key, budget, amount, tenant)
    assert isinstance(answer, Reservation), answer
    return answer


async def refused(budgets: Budgets, key: str, budget: str | None, amount: Amount, tenant: str = "default") -> Refusal:
    answer = await take(budgets, key, budget, amount, tenant)
    assert isinstance(answer, Refusal), answer
    return answer


async def row(book: BudgetBook, name: str) -> BudgetRow:
    return next(one for one in await book.show(name) if one.id == name)


async def test_what_was_really_used_takes_the_place_of_what_was_reserved(budgets: Budgets, book: BudgetBook) -> None:
    await put(budgets, "b", Limits(tokens=1000, nanos=500))

    reservation = await held(budgets, "call", "b", Amount(600, 300, 1))
    before = await row(book, "b")
    await budgets.settle(reservation, Amount(100, 50, 1))

    after = await row(book, "b")
    assert (before.reserved_tokens, before.reserved_nanos, before.reserved_calls) == (600, 300, 1)
    assert (after.reserved_tokens, after.reserved_nanos, after.reserved_calls) == (0, 0, 0)
    assert (after.spent_tokens, after.spent_nanos, after.spent_calls) == (100, 50, 1)


async def test_settling_twice_counts_once(budgets: Budgets, book: BudgetBook) -> None:
    await put(budgets, "b", Limits(tokens=1000))
    reservation = await held(budgets, "call", "b", Amount(600))

    said = [await budgets.settle(reservation, Amount(100)), await budgets.settle(reservation, Amount(100))]

    assert said == [True, False]
    assert not await budgets.release(reservation)
    assert (await row(book, "b")).spent_tokens == 100


async def test_what_was_not_sent_is_free_again(budgets: Budgets, book: BudgetBook) -> None:
    await put(budgets, "b", Limits(calls=1))

    await budgets.release(await held(budgets, "one", "b", Amount(calls=1)))

    await held(budgets, "two", "b", Amount(calls=1))
    assert (await row(book, "b")).spent_calls == 0


async def test_a_refusal_says_which_limit_of_which_budget_how_much_was_asked_and_what_is_left(budgets: Budgets) -> None:
    await put(budgets, "outer", Limits(tokens=1_000, nanos=2_000_000_000))
    await put(budgets, "inner", Limits(calls=1), parent="outer")
    await budgets.settle(
        await held(budgets, "one", "inner", Amount(900, 1_999_500_000, 1)), Amount(900, 1_999_500_000, 1)
    )

    calls = await refused(budgets, "two", "inner", Amount(10, 0, 1))
    tokens = await refused(budgets, "two", "outer", Amount(1_101, 0, 1))
    cost = await refused(budgets, "two", "outer", Amount(10, 1_000_000, 1))
    unknown = await refused(budgets, "two", "outer", Amount(10, None, 1))
    missing = await refused(budgets, "two", "nowhere", Amount())

    assert str(calls) == (
        "the budget of inner has 0 of 1 calls left. See `resprout budget show inner`, and give it more or ask for less."
    )
    assert "the budget of outer has 100 of 1,000 tokens left, and this could take 1,101." in str(tokens)
    assert "the budget of outer has $0.0005 of $2.00 left, and this could cost $0.001." in str(cost)
    assert "the budget of outer limits money, and nobody knows what this costs" in str(unknown)
    await held(budgets, "three", "outer", Amount(60, 100_000, 1))
    assert "outer has 40 of 1,000 tokens left, calls under way hold 60, and" in str(
        await refused(budgets, "four", "outer", Amount(41, 0, 1))
    )
    assert str(missing) == "there is no budget nowhere: open it before something is to be spent from it."


async def test_nothing_is_spent_when_the_time_of_a_budget_has_passed(budgets: Budgets) -> None:
    await put(budgets, "b", Limits(until=datetime.now(UTC) - timedelta(seconds=1)))

    assert "the time of the budget of b has passed." in str(await refused(budgets, "one", "b", Amount(1)))


async def test_what_is_refused_above_reserves_nothing_below(budgets: Budgets, book: BudgetBook) -> None:
    await put(budgets, "outer", Limits(tokens=10))
    await put(budgets, "inner", Limits(tokens=100), parent="outer")

    assert (await refused(budgets, "one", "inner", Amount(50))).budget == "outer"

    assert (await row(book, "inner")).reserved_tokens == 0


async def test_a_budget_is_opened_once_and_not_without_its_parent(budgets: Budgets, book: BudgetBook) -> None:
    await put(budgets, "b", Limits(tokens=10))
    await put(budgets, "b", Limits(tokens=99))

    with pytest.raises(NotFound, match="there is no budget nowhere for c to be a part of"):
        await put(budgets, "c", Limits(tokens=1), parent="nowhere")
    with pytest.raises(NotFound):
        await put(budgets, "c", Limits(tokens=1), parent="b", tenant="another")

    assert (await row(book, "b")).max_tokens == 10


async def test_a_tenant_spends_nothing_of_another_ones_budget(budgets: Budgets) -> None:
    await put(budgets, "b", Limits(tokens=10))

    assert (await refused(budgets, "one", "b", Amount(1), tenant="another")).bound == "missing"


async def test_eight_branches_at_once_spend_no_more_than_their_budget(budgets: Budgets, book: BudgetBook) -> None:
    await put(budgets, "b", Limits(calls=20))

    answers = await asyncio.gather(*(take(budgets, f"{n}", "b", Amount(calls=1)) for n in range(80)))

    assert sum(isinstance(answer, Reservation) for answer in answers) == 20
    assert (await row(book, "b")).reserved_calls == 20


@pytest.mark.parametrize("seed", range(3))
async def test_no_limit_is_exceeded_whatever_happens_at_once(budgets: Budgets, database: Database, seed: int) -> None:
    """A tree of budgets under a tenant's; branches reserve, settle, release, and are lost and tried again."""
    dice, tenant = random.Random(seed), f"t{seed}"
    await BudgetBook.of(database).set(tenant, "day", Limits(tokens=4_000, nanos=90_000), "user:ada")
    await put(budgets, "root", Limits(tokens=3_000, nanos=80_000), tenant=tenant)
    names = ["root"]
    for number in range(6):
        limits = Limits(dice.choice([None, 900]), dice.choice([None, 20_000]), dice.choice([None, 9]))
        await put(budgets, name := f"n{number}", limits, parent=dice.choice(names), tenant=tenant)
        names.append(name)
    outcomes: set[str] = set()

    async def branch(number: int) -> None:
        for step in range(12):
            key, budget = f"{number if dice.random() < 0.9 else 0}/{step % 10}", dice.choice([*names, None])
            amount = Amount(dice.randint(1, 150), dice.randint(1, 4_000), 1)
            answer = await take(budgets, key, budget, amount, tenant)
            if isinstance(answer, Refusal):
                outcomes.add(answer.bound)
                continue
            outcomes.add(end := dice.choice(["settled", "released", "lost", "twice"]))
            used = Amount(dice.randint(0, amount.tokens), dice.randint(0, amount.nanos or 0), 1)
            if end == "released":
                await budgets.release(answer)
            elif end != "lost":
                await budgets.settle(answer, used)
            if end == "twice":
                await budgets.settle(answer, amount)
            assert await database.pool.fetchval(ABOVE) == 0

    await asyncio.gather(*(branch(number) for number in range(8)))

    assert await database.pool.fetchval(UNBALANCED) == 0
    assert {"settled", "released", "lost", "twice"} <= outcomes
    assert outcomes & {"tokens", "cost", "calls"}


async def test_of_a_lost_attempt_everything_counts_until_its_own_word_comes(budgets: Budgets, book: BudgetBook) -> None:
    await put(budgets, "b", Limits(tokens=1000))
    first = await held(budgets, "call", "b", Amount(400, 40, 1))

    second = await held(budgets, "call", "b", Amount(300, 30, 1))
    lost = await row(book, "b")
    await budgets.settle(second, Amount(100, 10, 1))
    await budgets.settle(first, Amount(200, 20, 1))  # it lives after all

    known = await row(book, "b")
    assert (first.attempt, second.attempt) == (1, 2)
    assert (lost.spent_tokens, lost.reserved_tokens) == (400, 300)
    assert (known.spent_tokens, known.spent_nanos, known.spent_calls, known.reserved_tokens) == (300, 30, 2, 0)


async def test_a_lost_attempt_counts_also_when_the_next_one_is_refused(budgets: Budgets, book: BudgetBook) -> None:
    await put(budgets, "b", Limits(tokens=1000))
    await held(budgets, "call", "b", Amount(600))

    assert (await refused(budgets, "call", "b", Amount(600))).left == 400

    assert ((await row(book, "b")).spent_tokens, (await row(book, "b")).reserved_tokens) == (600, 0)


async def test_a_call_that_counts_once_counts_once_however_often_it_is_tried(
    budgets: Budgets, book: BudgetBook
) -> None:
    await put(budgets, "b", Limits(calls=1))

    for _ in range(3):
        answer = await budgets.reserve("step", Amount(calls=1), tenant="default", budget="b", once=True)
        assert isinstance(answer, Reservation)
        await budgets.settle(answer, Amount(calls=1))

    assert (await row(book, "b")).spent_calls == 1


KILLED = """
import asyncio, sys
from resprout.actors.models import Amount
from resprout.memory.budgets import Budgets
from resprout.memory.database import Database

async def main() -> None:
    database = await Database.open(sys.argv[1])
    async def opened() -> Database:
        return database
    await Budgets(opened).reserve("call", Amount(600, 60, 1), tenant="default", budget="b")
    print("reserved", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_process_killed_before_it_settles_has_spent_what_it_reserved(
    budgets: Budgets, book: BudgetBook, dsn: str
) -> None:
    await put(budgets, "b", Limits(tokens=1000))
    with subprocess.Popen([sys.executable, "-c", KILLED, dsn], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "reserved\n"
        process.send_signal(signal.SIGKILL)

    between = await row(book, "b")
    again = await held(budgets, "call", "b", Amount(300, 30, 1))
    await budgets.settle(again, Amount(250, 25, 1))

    after = await row(book, "b")
    assert (between.reserved_tokens, between.spent_tokens) == (600, 0)
    assert (after.spent_tokens, after.spent_nanos, after.spent_calls, after.reserved_tokens) == (850, 85, 2, 0)


async def test_what_was_used_beyond_its_bound_is_counted_and_told(
    budgets: Budgets, book: BudgetBook, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    await put(budgets, "b", Limits(tokens=100))

    await budgets.settle(await held(budgets, "call", "b", Amount(100)), Amount(130))

    assert (await row(book, "b")).spent_tokens == 130
    assert "used more than was reserved" in caplog.text + capsys.readouterr().out
    assert (await refused(budgets, "more", "b", Amount(1))).left == 0


async def test_a_tenants_day_is_above_every_budget_and_above_none(budgets: Budgets, book: BudgetBook) -> None:
    await book.set("acme", "day", Limits(nanos=100), "user:ada")
    await book.set("acme", "month", Limits(nanos=150), "user:ada")
    await put(budgets, "b", Limits(nanos=1000), tenant="acme")

    await budgets.settle(await held(budgets, "one", "b", Amount(nanos=60), "acme"), Amount(nanos=60))
    in_budget = await refused(budgets, "two", "b", Amount(nanos=60), "acme")
    without = await refused(budgets, "three", None, Amount(nanos=60), "acme")
    await held(budgets, "four", None, Amount(nanos=60), "another")
    await book.set("acme", "day", Limits(nanos=1000), "user:ada")
    in_month = await refused(budgets, "five", None, Amount(nanos=91), "acme")

    assert in_budget.budget == without.budget == f"tenant:acme/day/{datetime.now(UTC):%Y-%m-%d}"
    assert in_budget.title == "the tenant acme, each day"
    assert "give it more with `resprout budget set --tenant acme` or ask for less." in str(in_budget)
    assert (in_month.budget, in_month.left) == (f"tenant:acme/month/{datetime.now(UTC):%Y-%m}", 90)
    assert await book.remove("acme", "month")
    await held(budgets, "six", None, Amount(nanos=91), "acme")


async def test_calls_of_tools_are_none_of_a_tenants_day(budgets: Budgets, book: BudgetBook) -> None:
    await book.set("acme", "day", Limits(tokens=1), "user:ada")
    await put(budgets, "b", Limits(calls=5), tenant="acme")

    await budgets.reserve("one", Amount(calls=1), tenant="acme", budget="b", of_models=False, once=True)

    assert [one.id for one in await book.latest("acme", 10)] == ["b"]


async def test_budgets_that_nobody_can_spend_from_any_more_are_forgotten(
    budgets: Budgets, book: BudgetBook, database: Database
) -> None:
    await book.set("acme", "month", Limits(tokens=100), "user:ada")
    await put(budgets, "old", Limits(tokens=10), tenant="acme")
    await put(budgets, "new", Limits(tokens=10), tenant="acme")
    await held(budgets, "one", "old", Amount(1), "acme")
    await database.pool.execute("UPDATE resprout.budgets SET used_at = now() - interval '3 days' WHERE id <> 'new'")

    await book.forget(datetime.now(UTC) - timedelta(days=2), 100)

    month = f"tenant:acme/month/{datetime.now(UTC):%Y-%m}"
    assert {one.id for one in await book.latest("acme", 10)} == {"new", month}
