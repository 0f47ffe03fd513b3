"""What is put around a model: patience, a chain to fall back on, limits."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
from resprout.activities.models.fallback import Fallback
from resprout.activities.models.limits import Limited, Limits, PerMinute
from resprout.activities.models.patience import Patience, Patient
from resprout.actors.errors import ResproutError, Unavailable
from resprout.actors.models import (
    BadKey,
    BadPrompt,
    FromModel,
    ModelBusy,
    ModelFailed,
    ModelLost,
    ModelReply,
    ModelRequest,
    Piece,
    UnknownModel,
    Usage,
    complete,
)
from support.speakers import heard, request

QUICK = Patience(attempts=4, first_pause=timedelta(milliseconds=1))
USAGE = Usage(input_tokens=10, output_tokens=5)
ASKED = request("house/able-1")


class Moody:
    """A model that says a piece, and then fails as often as it is told to; the next answer is whole."""

    def __init__(self, *failures: ResproutError, usage: Usage = USAGE) -> None:
        self.usage = usage
        self.failures = list(failures)
        self.asked: list[ModelRequest] = []
        self.at: list[float] = []
        self.running = 0
        self.most = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def stream(self, request: ModelRequest) -> AsyncIterator[Piece | ModelReply]:
        self.asked.append(request)
        self.at.append(asyncio.get_running_loop().time())
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.gate.wait()
            yield Piece(text="five")
            if self.failures:
                raise self.failures.pop(0)
            yield ModelReply(message=FromModel(text="five"), usage=self.usage, stop="end", model=request.model)
        finally:
            self.running -= 1


@pytest.mark.parametrize("failure", [ModelBusy("no."), ModelFailed("no."), ModelLost("no."), Unavailable("no.")])
async def test_what_can_help_is_tried_again_and_pieces_are_taken_back(failure: ResproutError) -> None:
    model = Moody(failure, failure)

    parts = [part async for part in Patient(model, QUICK).stream(ASKED)]

    five, back = Piece(text="five"), Piece(text="", anew=True)
    assert parts[:-1] == [five, back, five, back, five]
    assert isinstance(parts[-1], ModelReply)
    assert len(model.asked) == 3


@pytest.mark.parametrize("failure", [BadKey("no."), BadPrompt("no."), UnknownModel("no.")])
async def test_what_cannot_help_is_not_tried_again(failure: ResproutError) -> None:
    model = Moody(failure)

    with pytest.raises(type(failure)):
        await complete(Patient(model, QUICK), ASKED)
    assert len(model.asked) == 1


async def test_there_are_only_so_many_tries() -> None:
    model = Moody(*[ModelFailed("no.")] * 10)

    with pytest.raises(ModelFailed):
        await complete(Patient(model, QUICK), ASKED)
    assert len(model.asked) == 4


async def test_a_provider_is_left_alone_for_as_long_as_it_wants() -> None:
    model = Moody(ModelBusy("no.", timedelta(seconds=0.3)))

    await complete(Patient(model, QUICK), ASKED)

    assert model.at[1] - model.at[0] >= 0.3


async def test_who_would_have_to_wait_too_long_is_told_at_once_and_for_how_long() -> None:
    model = Moody(ModelBusy("no.", timedelta(hours=1)))

    with pytest.raises(ModelBusy) as caught:
        await complete(Patient(model, QUICK), ASKED)
    assert caught.value.retry_after == timedelta(hours=1)
    assert len(model.asked) == 1


async def test_one_call_never_has_more_time_than_all_of_them() -> None:
    model = Moody()

    await complete(Patient(model, Patience(give_up=timedelta(seconds=9))), ASKED)

    assert model.asked[0].timeout_seconds == pytest.approx(9, abs=1)


def test_pauses_grow_and_are_not_all_alike() -> None:
    patience, error = Patience(), ModelFailed("no.")

    pauses = [[patience.pause(failed, error) for _ in range(50)] for failed in (1, 3, 20)]

    assert all(0.25 <= pause <= 0.5 for pause in pauses[0])
    assert all(1 <= pause <= 2 for pause in pauses[1])
    assert all(15 <= pause <= 30 for pause in pauses[2])
    assert len(set(pauses[0])) > 40


def chain(*models: Moody) -> Fallback:
    return Fallback([(f"house/{number}", model) for number, model in enumerate(models)], QUICK)


@pytest.mark.parametrize("failure", [BadKey("no."), ModelBusy("no."), ModelFailed("no."), ModelLost("no.")])
async def test_the_next_model_answers_for_one_that_cannot_and_says_so(failure: ResproutError) -> None:
    first, second = Moody(*[failure] * 10), Moody()

    texts, reply = await heard(chain(first, second).stream(ASKED))

    assert (texts, reply.message.text, reply.model) == (["five"], "five", "house/1")
    assert second.asked[0].model == "house/1"


@pytest.mark.parametrize("failure", [BadPrompt("no."), UnknownModel("no.")])
async def test_the_next_model_is_not_asked_what_it_would_refuse_too(failure: ResproutError) -> None:
    second = Moody()

    with pytest.raises(type(failure)):
        await complete(chain(Moody(failure), second), ASKED)
    assert second.asked == []


async def test_a_busy_model_is_not_waited_for_while_another_can_answer() -> None:
    first, second = Moody(ModelBusy("no.", timedelta(seconds=60))), Moody()

    async with asyncio.timeout(5):
        reply = await complete(chain(first, second), ASKED)

    assert (reply.model, len(first.asked)) == ("house/1", 1)


async def test_when_none_can_answer_the_last_one_says_why() -> None:
    with pytest.raises(ModelLost, match="last"):
        await complete(chain(Moody(*[BadKey("no.")]), Moody(*[ModelLost("last.")] * 4)), ASKED)


async def ended(tasks: Sequence[asyncio.Task[ModelReply]]) -> None:
    async with asyncio.timeout(5):
        await asyncio.gather(*tasks)


async def test_only_so_many_calls_are_open_at_once_and_who_waits_waits_in_order() -> None:
    model = Moody()
    model.gate.clear()
    limited = Limited(model, "house", Limits(at_once=2))
    calls = [asyncio.create_task(complete(limited, request(f"house/{number}"))) for number in range(6)]
    async with asyncio.timeout(5):
        while limited.waiting < 4:
            await asyncio.sleep(0)
    model.gate.set()

    await ended(calls)

    assert model.most == 2
    assert [one.model for one in model.asked] == [f"house/{number}" for number in range(6)]


async def test_a_call_that_is_cancelled_leaves_its_place() -> None:
    model = Moody()
    model.gate.clear()
    limited = Limited(model, "house", Limits(at_once=1))
    first, second, third = (asyncio.create_task(complete(limited, ASKED)) for _ in range(3))
    async with asyncio.timeout(5):
        while limited.waiting < 2:
            await asyncio.sleep(0)
    for call in (first, second):
        call.cancel()
    model.gate.set()

    await ended([third])

    assert limited.waiting == 0


async def test_who_waits_too_long_is_refused_before_anything_is_sent() -> None:
    model = Moody()
    limited = Limited(model, "house", Limits(requests_per_minute=1, longest_wait=timedelta(seconds=0.05)))
    await complete(limited, ASKED)

    with pytest.raises(ModelBusy, match="house is at the limits that are set for it"):
        await complete(limited, ASKED)
    assert len(model.asked) == 1


async def test_a_call_that_used_a_minutes_tokens_makes_the_next_one_wait() -> None:
    model = Moody(usage=Usage(input_tokens=6_000))
    limited = Limited(model, "house", Limits(tokens_per_minute=6_000))

    for _ in range(2):
        await complete(limited, request("house/able-1", max_tokens=20))

    assert model.at[1] - model.at[0] >= 0.2  # 20 tokens of what is said, and what is asked


def test_a_minutes_amount_flows_back_and_never_beyond_itself() -> None:
    amount = PerMinute(60)
    amount.take(60, 100.0)

    assert amount.missing_seconds(30, 100.0) == 30
    assert amount.missing_seconds(30, 130.0) == 0
    assert amount.missing_seconds(1000, 130.0) == 30
    amount.take(-1000, 1000.0)
    assert amount.missing_seconds(61, 1000.0) == 0
    amount.take(120, 1000.0)
    assert amount.missing_seconds(1, 1000.0) == 61
