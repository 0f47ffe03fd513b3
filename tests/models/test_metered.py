"""A model whose calls are paid for, on the real ledger: what is reserved, what is spent, and when it is refused."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

import pytest
from resprout.activities.models.metered import MeteredModel
from resprout.activities.models.prices import Prices
from resprout.activities.models.settling import Settling
from resprout.activities.models.streams import closable
from resprout.actors.errors import DatabaseLost
from resprout.actors.models import (
    Account,
    BadKey,
    BudgetExceeded,
    CallBegun,
    CallEnded,
    FromModel,
    FromUser,
    Limits,
    Model,
    ModelBusy,
    ModelFailed,
    ModelLost,
    ModelReply,
    ModelRequest,
    Piece,
    Refusal,
    Reservation,
    Usage,
    complete,
)
from resprout.memory.budget_book import BudgetBook, BudgetRow
from resprout.memory.budgets import Budgets
from resprout.memory.database import Database
from resprout.memory.model_calls import ModelCall, ModelCalls
from support.model_server import Turn, Use
from support.speakers import PROTOCOLS, Protocol, speaking, tool

MINI = "openai/gpt-5-mini"  # $0.25 in, $2 out


@dataclass
class Scripted:
    """Says what it is told to, and keeps what it was asked."""

    script: Sequence[Piece | Usage | Exception | asyncio.Event] = (Usage(input_tokens=20, output_tokens=10),)
    answers: str = ""
    asked: list[ModelRequest] = field(default_factory=list)
    began: asyncio.Event = field(default_factory=asyncio.Event)

    async def stream(self, request: ModelRequest) -> AsyncIterator[Piece | ModelReply]:
        self.asked.append(request)
        self.began.set()
        for said in self.script:
            match said:
                case Exception():
                    raise said
                case asyncio.Event():
                    await said.wait()
                case Usage():
                    output = min(said.output_tokens, request.max_tokens)
                    usage, message = said.model_copy(update={"output_tokens": output}), FromModel(text="yes")
                    yield ModelReply(message=message, usage=usage, stop="end", model=self.answers or request.model)
                case Piece():
                    yield said


class Till:
    """A ledger with one budget, and what stands in it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.calls = ModelCalls(database.opened)
        self.settling = Settling(self.calls)

    async def open(self, limits: Limits) -> None:
        async def opened() -> Database:
            return self.database

        await Budgets(opened).add("b", limits, tenant="default", run="run", title="the task")

    async def budget(self) -> BudgetRow:
        await self.settling.settled()
        (row,) = await BudgetBook.of(self.database).show("b")
        return row

    async def call(self) -> ModelCall:
        return (await self.latest(1))[0]

    async def latest(self, most: int) -> list[ModelCall]:
        await self.settling.settled()
        return await self.calls.latest(None, most)

    def model(self, model: Model) -> MeteredModel:
        return MeteredModel(model, self.settling, Prices.load())


@pytest.fixture
async def till(dsn: str) -> AsyncIterator[Till]:
    async with await Database.open(dsn, pool_size=8, resets=False) as database:
        yield Till(database)


def request(model: str = MINI, step: str | None = None, text: str = "hello", **more: object) -> ModelRequest:
    account = Account(budget="b", run="run", agent="brain/ada", step=step)
    words = {"model": model, "messages": [FromUser(text=text)], "max_tokens": 1_000, "account": account}
    return ModelRequest.model_validate({**words, **more})


async def test_a_call_costs_what_it_used_and_is_on_record(till: Till) -> None:
    await till.open(Limits(tokens=10_000, nanos=10_000_000))

    await complete(till.model(Scripted()), request())

    budget, call = await till.budget(), await till.call()
    assert (budget.spent_tokens, budget.spent_nanos, budget.spent_calls) == (30, 20 * 250 + 10 * 2_000, 1)
    assert (budget.reserved_tokens, budget.reserved_nanos, budget.reserved_calls) == (0, 0, 0)
    assert (call.outcome, call.input_tokens, call.nanos, call.run, call.agent) == (
        "done",
        20,
        25_000,
        "run",
        "brain/ada",
    )


async def test_a_call_that_could_cost_too_much_is_not_made(till: Till) -> None:
    await till.open(Limits(tokens=50))
    model = Scripted()

    with pytest.raises(BudgetExceeded, match=f"{MINI} was not asked: the budget of the task has 50 of 50 tokens left"):
        await complete(till.model(model), request())

    assert model.asked == []
    assert await till.latest(1) == []


async def test_near_the_end_of_a_budget_less_may_be_said(till: Till) -> None:
    await till.open(Limits(tokens=600, nanos=900_000))
    model = Scripted()

    await complete(till.model(model), request())

    assert 256 <= model.asked[0].max_tokens < 600 - 101
    assert (await till.budget()).spent_tokens == 30


async def test_a_model_is_asked_for_no_more_than_was_reserved(till: Till) -> None:
    await till.open(Limits(tokens=10_000_000))
    most = Prices.load().known[MINI].most_output
    assert most is not None
    model = Scripted([Usage(input_tokens=20, output_tokens=most + 500)])

    await complete(till.model(model), request(max_tokens=most + 1_000))

    assert model.asked[0].max_tokens == most
    assert (await till.budget()).spent_tokens == 20 + most


async def test_a_model_without_a_price_is_refused_where_money_is_limited_and_else_its_cost_is_unknown(
    till: Till,
) -> None:
    await till.open(Limits(tokens=10_000))
    await complete(till.model(Scripted()), request("mine/llama"))
    call, budget = await till.call(), await till.budget()
    await BudgetBook.of(till.database).set("default", "day", Limits(nanos=1_000), "user:ada")

    with pytest.raises(BudgetExceeded, match=r"nobody knows what this costs: put its price into `models\.prices`"):
        await complete(till.model(Scripted()), request("mine/llama"))

    assert (call.nanos, budget.unpriced_calls, budget.spent_nanos, budget.spent_tokens) == (None, 1, 0, 30)


@pytest.mark.parametrize(
    ("error", "outcome"), [(BadKey("no"), "rejected"), (ModelBusy("later"), "busy")], ids=["bad key", "busy"]
)
async def test_what_was_refused_before_it_said_anything_costs_nothing(
    till: Till, error: Exception, outcome: str
) -> None:
    await till.open(Limits(tokens=10_000))

    with pytest.raises(type(error)):
        await complete(till.model(Scripted([error])), request())

    budget = await till.budget()
    assert (budget.spent_tokens, budget.reserved_tokens, budget.spent_calls) == (0, 0, 0)
    assert (await till.call()).outcome == outcome


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ([ModelLost("gone")], "lost"),
        ([ModelFailed("broken")], "failed"),
        ([Piece(text="y"), ModelBusy("in the middle")], "failed"),
        ([Piece(text="y")], "lost"),
    ],
    ids=["lost", "failed", "busy in the middle", "no reply"],
)
async def test_what_may_have_been_charged_for_costs_all_that_was_reserved(
    till: Till, script: list[Piece | Exception], outcome: str
) -> None:
    await till.open(Limits(tokens=10_000))

    with pytest.raises((ModelLost, ModelFailed, ModelBusy)):
        await complete(till.model(Scripted(script)), request())

    budget = await till.budget()
    assert budget.spent_tokens > 1_000
    assert (budget.reserved_tokens, budget.spent_calls) == (0, 1)
    assert (await till.call()).outcome == outcome


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
@pytest.mark.parametrize("hidden", [Turn(uses=(Use("text.count", {"text": "x" * 200}),)), Turn(thought="x" * 200)])
async def test_thoughts_and_uses_of_tools_that_an_error_ends_cost_all_that_was_reserved(
    till: Till, protocol: Protocol, hidden: Turn
) -> None:
    await till.open(Limits(tokens=10_000))
    error = {"type": "overloaded_error", "code": "rate_limit_exceeded"}

    async with speaking(protocol, replace(hidden, error=error, error_after=3), provider="house") as speaker:
        with pytest.raises(ModelBusy):
            await complete(till.model(speaker.model), request("house/able-1", tools=[tool("text.count")]))

    assert (await till.budget()).spent_tokens > 1_000
    assert (await till.call()).outcome == "failed"


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
async def test_an_error_instead_of_an_answer_costs_nothing_though_it_comes_as_one(
    till: Till, protocol: Protocol
) -> None:
    await till.open(Limits(tokens=10_000))
    turn = Turn(error={"type": "overloaded_error", "code": "rate_limit_exceeded"}, error_after=0)

    async with speaking(protocol, turn, provider="house") as speaker:
        with pytest.raises(ModelBusy):
            await complete(till.model(speaker.model), request("house/able-1"))

    assert ((await till.budget()).spent_tokens, (await till.call()).outcome) == (0, "busy")


async def test_a_call_that_is_cancelled_in_the_middle_costs_all_that_was_reserved(till: Till) -> None:
    await till.open(Limits(tokens=10_000))
    model = Scripted([Piece(text="y"), asyncio.Event()])
    heard = asyncio.Event()

    async def listen() -> None:
        async for _ in till.model(model).stream(request()):
            heard.set()

    listening = asyncio.create_task(listen())
    await heard.wait()
    listening.cancel()
    await asyncio.wait({listening})

    assert (await till.budget()).spent_tokens > 1_000
    assert (await till.call()).outcome == "lost"


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
async def test_a_provider_that_does_not_count_has_used_what_was_reserved(till: Till, protocol: Protocol) -> None:
    await till.open(Limits(tokens=10_000))
    said = FromUser(text="言葉" * 200)

    async with speaking(protocol, Turn(text="言葉" * 400, counts=False), provider="house") as speaker:
        model = till.model(speaker.model)
        await complete(model, request("house/able-1", conversation="c", messages=[said]))
        first = (await till.budget()).spent_tokens
        again = [said, FromModel(text="yes"), FromUser(text="and?")]
        await complete(model, request("house/able-1", conversation="c", messages=again))

    second = (await till.budget()).spent_tokens - first
    assert second > first > 1_000 + len(said.text.encode())  # no guess is what the next one is built upon
    assert ((await till.call()).outcome, (await till.call()).input_tokens) == ("done", None)


async def test_who_answered_instead_is_paid_at_his_own_price(till: Till) -> None:
    await till.open(Limits(nanos=10_000_000))

    await complete(till.model(Scripted(answers="openai/gpt-5-nano")), request())

    assert (await till.budget()).spent_nanos == 20 * 50 + 10 * 400
    assert (await till.call()).answered == "openai/gpt-5-nano"


async def test_a_conversation_is_reserved_by_what_its_last_call_was_counted(till: Till) -> None:
    await till.open(Limits(tokens=9_000))
    model = Scripted([Usage(input_tokens=1_000, output_tokens=3)])
    metered, said = till.model(model), FromUser(text="word " * 1_200)

    await complete(metered, request(conversation="c", messages=[said], max_tokens=256))
    again = [said, FromModel(text="yes"), FromUser(text="and?")]
    for _ in range(3):  # by its bytes, not even one more would fit
        await complete(metered, request(conversation="c", messages=again, max_tokens=256))

    assert (await till.budget()).spent_tokens == 4 * 1_003


async def test_a_step_that_is_tried_again_after_a_kill_pays_for_both(till: Till) -> None:
    await till.open(Limits(tokens=10_000))
    stopped = Scripted([asyncio.Event()])
    lost = asyncio.create_task(complete(till.model(stopped), request(step="decide-1")))
    await stopped.began.wait()

    await complete(till.model(Scripted()), request(step="decide-1"))
    between = await till.budget()
    lost.cancel()
    await asyncio.wait({lost})

    bound = between.spent_tokens - 30
    assert bound > 1_000
    assert (await till.budget()).spent_tokens == bound + 30
    assert [call.outcome for call in await till.latest(5)] == ["done", "lost"]


async def test_a_reply_is_given_though_its_end_cannot_be_written(till: Till) -> None:
    await till.open(Limits(tokens=10_000))

    @dataclass
    class Lost:
        calls: ModelCalls

        async def begin(self, call: CallBegun) -> Reservation | Refusal:
            return await self.calls.begin(call)

        async def end(self, held: Reservation, ended: CallEnded) -> bool:
            raise DatabaseLost("the connection broke.")

    reply = await complete(MeteredModel(Scripted(), Settling(Lost(till.calls)), Prices.load()), request())

    assert reply.message.text == "yes"
    assert (await till.budget()).reserved_tokens > 1_000


async def test_the_next_call_has_what_the_last_one_did_not_use_though_nobody_waited_for_its_end(till: Till) -> None:
    await till.open(Limits(tokens=1_500))
    may_end = asyncio.Event()

    @dataclass
    class Slow:
        calls: ModelCalls

        async def begin(self, call: CallBegun) -> Reservation | Refusal:
            return await self.calls.begin(call)

        async def end(self, held: Reservation, ended: CallEnded) -> bool:
            await may_end.wait()
            return await self.calls.end(held, ended)

    model = MeteredModel(Scripted(), Settling(Slow(till.calls)), Prices.load())
    await complete(model, request())
    assert (await till.budget()).reserved_tokens > 1_000

    second = asyncio.create_task(complete(model, request()))
    may_end.set()

    assert (await second).usage.tokens == 30
    await model.ledger.settled()  # type: ignore[attr-defined]
    assert ((await till.budget()).spent_tokens, (await till.budget()).reserved_tokens) == (60, 0)


async def test_eight_branches_at_once_spend_no_more_than_their_budget(till: Till) -> None:
    await till.open(Limits(nanos=20_000_000, tokens=30_000))
    used = Usage(input_tokens=30, output_tokens=900)

    async def branch() -> str:
        try:
            for _ in range(20):
                await complete(till.model(Scripted([used])), request())
        except BudgetExceeded as error:
            return str(error)
        return "done"

    said = await asyncio.gather(*(branch() for _ in range(8)))

    budget = await till.budget()
    assert any("was not asked" in one for one in said)
    assert budget.spent_tokens <= 30_000
    assert budget.spent_nanos <= 20_000_000
    assert budget.spent_calls > 5


async def test_usage_is_told_by_model_agent_run_tenant_and_day(till: Till) -> None:
    await till.open(Limits(tokens=100_000))
    await complete(till.model(Scripted()), request())
    await complete(till.model(Scripted()), request("mine/llama"))
    with pytest.raises(ModelLost):
        await complete(till.model(Scripted([ModelLost("gone")])), request())

    await till.settling.settled()
    by_model = {one.name: one for one in await till.calls.used("model", None, None, 10)}
    (by_agent,) = await till.calls.used("agent", None, "default", 10)
    names = {by: [one.name for one in await till.calls.used(by, None, None, 10)] for by in ("run", "tenant")}  # type: ignore[arg-type]

    mini, mine = by_model[MINI], by_model["mine/llama"]
    assert (mini.calls, mini.unsure, mini.input_tokens, mini.output_tokens, mini.nanos) == (2, 1, 20, 10, 25_000)
    assert mini.unsure_nanos > 1_000 * 2_000
    assert (mine.nanos, mine.unpriced, mine.unsure) == (0, 1, 0)
    assert (by_agent.name, by_agent.calls) == ("brain/ada", 3)
    assert names == {"run": ["run"], "tenant": ["default"]}


async def test_whoever_leaves_early_lets_go_of_the_provider_and_pays_all_that_was_reserved(till: Till) -> None:
    await till.open(Limits(tokens=10_000))
    left = asyncio.Event()

    class Talkative:
        async def stream(self, request: ModelRequest) -> AsyncIterator[Piece | ModelReply]:
            try:
                yield Piece(text="one")
                yield Piece(text="two")
            finally:
                left.set()

    stream = closable(till.model(Talkative()).stream(request()))
    await anext(stream)
    await stream.aclose()

    assert left.is_set()
    assert (await till.call()).outcome == "lost"
    assert (await till.budget()).spent_tokens > 1_000
