"""Whatever a provider does instead of answering is told by what helps, in a sentence without the key or the prompt."""

import asyncio
import pickle
import traceback
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from resprout.activities.models.provider import Provider
from resprout.activities.models.streams import closable
from resprout.actors.errors import ResproutError
from resprout.actors.models import (
    BadKey,
    BadPrompt,
    ModelBusy,
    ModelFailed,
    ModelLost,
    ModelReply,
    Piece,
    PromptTooLong,
    UnknownModel,
    complete,
)
from support.model_server import Turn
from support.speakers import KEY, PROTOCOLS, Protocol, Speaker, request, speaking

Speaks = Callable[..., AbstractAsyncContextManager[Speaker]]
PROMPT = "a canary that nobody should see in any error"
TEXT = "It is five o'clock in the morning."


@pytest.fixture(params=PROTOCOLS, ids=lambda protocol: protocol.name)
def protocol(request: pytest.FixtureRequest) -> Protocol:
    found: Protocol = request.param
    return found


@pytest.fixture
def speaks(protocol: Protocol) -> Speaks:
    return lambda *turns, **others: speaking(protocol, *turns, **others)


async def failure(speaker: Speaker, **fields: Any) -> ResproutError:
    with pytest.raises(ResproutError) as caught:
        await complete(speaker.model, speaker.request(PROMPT, **fields))
    error = caught.value
    whole = "".join(traceback.format_exception(error)) + repr(pickle.loads(pickle.dumps(error)))
    assert KEY not in whole
    assert "canary" not in whole
    assert error.__context__ is None
    assert str(error).endswith(".")
    assert "\n" not in str(error)
    assert speaker.protocol.provider in str(error)
    return error


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {}, BadPrompt),
        (401, {"type": "authentication_error", "message": f"Incorrect API key provided: {KEY}"}, BadKey),
        (402, {"type": "billing_error"}, BadKey),
        (403, {"type": "permission_error"}, BadKey),
        (404, {"type": "not_found_error", "message": "model: able-1"}, UnknownModel),
        (404, {"message": "Not Found"}, BadPrompt),
        (413, {"type": "request_too_large"}, PromptTooLong),
        (422, {"message": f"cannot read {PROMPT}"}, BadPrompt),
        (429, {"type": "rate_limit_error"}, ModelBusy),
        (429, {"type": "insufficient_quota"}, BadKey),
        (500, {"type": "api_error"}, ModelFailed),
        (502, {}, ModelFailed),
        (503, {}, ModelBusy),
        (504, {}, ModelLost),
        (529, {"type": "overloaded_error"}, ModelBusy),
        (307, {}, ModelFailed),
    ],
)
async def test_a_status_is_told_by_what_helps(
    speaks: Speaks, status: int, error: dict[str, Any], kind: type[ResproutError]
) -> None:
    headers = {"location": "http://127.0.0.1:1/elsewhere"} if status == 307 else {}
    async with speaks(Turn(status=status, error=error, headers=headers)) as speaker:
        assert type(await failure(speaker)) is kind
        assert speaker.server.calls == 1


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 200000 tokens.",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "the request exceeds the available context size",
    ],
)
async def test_a_conversation_that_does_not_fit_is_told_apart(speaks: Speaks, message: str) -> None:
    async with speaks(Turn(status=400, error={"type": "invalid_request_error", "message": message})) as speaker:
        assert type(await failure(speaker)) is PromptTooLong


async def test_what_a_provider_says_is_quoted_unless_it_quotes_the_prompt(speaks: Speaks) -> None:
    plain = Turn(status=400, error={"message": "messages: roles must alternate"})
    quoting = Turn(status=400, error={"message": f"cannot parse: {PROMPT[:30]}"})
    with_key = Turn(status=400, error={"message": f"bad header {KEY}"})
    async with speaks(plain, quoting, with_key) as speaker:
        sentences = [str(await failure(speaker)) for _ in range(3)]

    assert "(it says: messages: roles must alternate)" in sentences[0]
    assert "it says" not in sentences[1]
    assert "secret://key" in sentences[2]


@pytest.mark.parametrize("status", [429, 503, 529])
@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"retry-after": "7"}, 7, 7),
        ({"retry-after-ms": "1500"}, 1.5, 1.5),
        ({"retry-after": "DATE"}, 25, 31),
        ({}, None, None),
        ({"retry-after": "soon"}, None, None),
    ],
)
async def test_how_long_it_wants_to_be_left_alone_is_passed_on(
    speaks: Speaks, status: int, headers: dict[str, str], least: float | None, most: float | None
) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    headers = {name: value.replace("DATE", date) for name, value in headers.items()}
    async with speaks(Turn(status=status, headers=headers)) as speaker:
        error = await failure(speaker)

    assert isinstance(error, ModelBusy)
    if least is None or most is None:
        assert error.retry_after is None
    else:
        assert error.retry_after is not None
        assert least <= error.retry_after.total_seconds() <= most


async def test_an_answer_without_its_end_is_lost_wherever_it_breaks_off(speaks: Speaks) -> None:
    async with speaks(Turn(text=TEXT)) as speaker:
        await complete(speaker.model, speaker.request(PROMPT))
        events = len(list(speaker.protocol.dialect.events(Turn(text=TEXT), speaker.server.heard[0])))
    last = events - 3 if speaker.protocol.name == "openai-chat" else events - 1  # its usage and [DONE] are no end
    for count in (0, 1, events // 2, last):
        async with speaks(Turn(text=TEXT, cut_after=count)) as speaker:
            assert type(await failure(speaker)) is ModelLost, count


async def test_an_answer_that_stalls_is_lost_and_its_connection_is_closed(speaks: Speaks) -> None:
    async with speaks(Turn(text=TEXT, stall_after=3)) as speaker:
        error = await failure(speaker, timeout_seconds=2)
        await asyncio.wait_for(speaker.server.gone.wait(), 30)

    assert type(error) is ModelLost
    assert "within 2 s" in str(error)


async def test_one_that_never_begins_to_answer_is_lost(speaks: Speaks) -> None:
    async with speaks(Turn(text=TEXT, delay_seconds=1.0)) as speaker:
        assert type(await failure(speaker, timeout_seconds=0.2)) is ModelLost


async def test_the_time_of_the_reader_is_not_the_time_of_the_model(speaks: Speaks) -> None:
    async with speaks(Turn(text="five")) as speaker:
        async for part in speaker.model.stream(speaker.request(timeout_seconds=2)):
            if isinstance(part, Piece):
                await asyncio.sleep(2.2)
            break


async def test_who_goes_away_gives_the_connection_back(speaks: Speaks) -> None:
    async with speaks(Turn(text=TEXT, stall_after=4)) as speaker:
        async with aclosing(closable(speaker.model.stream(speaker.request()))) as said:
            async for _ in said:
                break

        await asyncio.wait_for(speaker.server.gone.wait(), 30)


async def test_a_call_that_is_cancelled_ends_at_once(speaks: Speaks) -> None:
    async with speaks(Turn(text=TEXT, stall_after=4)) as speaker:
        task = asyncio.create_task(complete(speaker.model, speaker.request()))
        async with asyncio.timeout(30):
            while not speaker.server.heard:
                await asyncio.sleep(0.01)
        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(speaker.server.gone.wait(), 30)


@pytest.mark.parametrize(
    "garbage",
    [
        b"event: message_start\ndata: {not json\n\n",
        b"event: message_start\ndata: [1]\n\n",
        b'event: message_start\ndata: {"choices": 5, "type": 5}\n\n',
        b"event: message_start\ndata: \xff\xfe\n\n",
    ],
)
async def test_an_event_that_is_not_of_the_protocol_is_a_failure(speaks: Speaks, garbage: bytes) -> None:
    async with speaks(Turn(text=TEXT, garble_after=3, garbage=garbage)) as speaker:
        error = await failure(speaker)

    assert type(error) is ModelFailed
    assert "not of its protocol" in str(error)


async def test_a_page_instead_of_an_answer_is_a_failure(speaks: Speaks) -> None:
    async with speaks(Turn(body=b"<html>Welcome!</html>", content_type="text/html")) as speaker:
        assert type(await failure(speaker)) is ModelFailed


@pytest.mark.parametrize(
    ("code", "kind"),
    [("server_error", ModelFailed), ("rate_limit_exceeded", ModelBusy), ("overloaded_error", ModelBusy)],
)
async def test_an_error_in_the_middle_of_an_answer_is_told_as_one_before_it(
    speaks: Speaks, code: str, kind: type[ResproutError]
) -> None:
    error = {"type": code, "code": code, "message": f"no: {PROMPT}"}
    async with speaks(Turn(text=TEXT, error_after=4, error=error)) as speaker:
        assert type(await failure(speaker)) is kind


async def test_a_server_that_is_not_there_was_asked_nothing(protocol: Protocol) -> None:
    async with speaking(protocol, Turn()) as gone:
        address = gone.server.url
    adapter = protocol.adapter(Provider("house", address, KEY))

    with pytest.raises(ModelBusy, match=r"^house/able-1 cannot be reached at 127\.0\.0\.1:\d+: look whether it runs"):
        await complete(adapter, request("house/able-1"))
    await adapter.close()


async def test_nothing_in_the_environment_decides_what_is_sent_or_where(
    protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "of-somebody-else")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "of-somebody-else")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    async with speaking(protocol, Turn(text="five")) as speaker:
        keyless = protocol.adapter(Provider("house", speaker.server.url + protocol.path))
        reply: ModelReply = await complete(keyless, request("house/able-1"))
        await complete(speaker.model, speaker.request())
        await keyless.close()

    assert reply.message.text == "five"
    without, with_key = (call.headers for call in speaker.server.heard)
    assert "of-somebody-else" not in str([without, with_key])
    assert not {"authorization", "x-api-key"} & without.keys()
    assert KEY in (with_key.get("authorization") or with_key["x-api-key"])
