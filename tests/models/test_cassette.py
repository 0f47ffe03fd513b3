import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from resprout.activities.models.cassette import Cassette, Mode, NotRecorded
from resprout.activities.secrets import NOTHING_HIDDEN, Veil
from resprout.actors.errors import ConfigError
from resprout.actors.models import Account, FromModel, ModelReply, ModelRequest, Piece, Usage, complete
from support.speakers import heard, request

CANARY = "canary-4711-very-secret"
VEIL = Veil({"door": CANARY})


class Echo:
    """Says what it was asked, in small pieces."""

    def __init__(self) -> None:
        self.calls = 0

    async def stream(self, request: ModelRequest) -> AsyncIterator[Piece | ModelReply]:
        self.calls += 1
        text = f"You said: {request.messages[-1].text}"
        for character in text:
            yield Piece(text=character)
        yield ModelReply(
            message=FromModel(text=text), usage=Usage(input_tokens=7), stop="end", model=request.model, version="1"
        )


def cassette(path: Path, mode: Mode, model: Any = None, veil: Veil = NOTHING_HIDDEN) -> Cassette:
    return Cassette(path, mode, model or Echo(), lambda: veil)


async def refusal(cassette: Cassette, request: ModelRequest) -> str:
    with pytest.raises(NotRecorded) as caught:
        await complete(cassette, request)
    return str(caught.value)


async def test_what_was_recorded_is_said_again_without_a_model(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    model = Echo()
    recorded = await heard(cassette(path, "record", model).stream(request("house/a", "one\u2028two")))

    replayed = await heard(cassette(path, "replay", model).stream(request("house/a", "one\u2028two")))

    assert replayed == recorded
    assert model.calls == 1
    assert len(path.read_text().splitlines()) == 1


async def test_what_is_recorded_is_not_paid_for_again(tmp_path: Path) -> None:
    path, model = tmp_path / "calls.jsonl", Echo()
    for text in ("one", "two", "one"):
        await complete(cassette(path, "record", model), request("house/a", text))

    assert model.calls == 2


async def test_how_long_one_waits_and_who_pays_is_no_part_of_the_question(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    one, two = (Account(tenant=run, budget=run, run=run, agent=f"brain/{run}", step=f"{run}@x/1") for run in "ab")
    await complete(cassette(path, "record"), request("house/a", timeout_seconds=1, conversation="one", account=one))

    await complete(cassette(path, "replay"), request("house/a", timeout_seconds=2, conversation="two", account=two))


async def test_a_line_from_when_more_was_written_down_is_found(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    await complete(cassette(path, "record"), request("house/a"))
    line = json.loads(path.read_text())
    path.write_text(json.dumps({**line, "question": {**line["question"], "account": None}}) + "\n")

    reply = await complete(cassette(path, "replay"), request("house/a"))

    assert reply.message.text == line["reply"]["message"]["text"]


async def test_a_call_that_is_not_on_it_is_refused_with_the_nearest_difference(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    for text in ("What is the time?", "What is the weather?"):
        await complete(cassette(path, "record"), request("house/a", text))
    replay = cassette(path, "replay")

    text = await refusal(replay, request("house/a", "What is the tide?"))
    hotter = await refusal(replay, request("house/a", "What is the time?", temperature=1))
    longer = await refusal(
        replay, request("house/a", messages=[{"role": "user", "text": t} for t in ("What is the time?", "Well?")])
    )

    assert "in line 1, differs in messages[0].text, at character 15." in text
    assert "tide" not in text
    assert "in line 1, differs in temperature." in hotter
    assert "in line 1, differs in messages[1].role, which it has not." in longer
    assert all("`models.cassette_mode` to record" in sentence for sentence in (text, hotter, longer))


async def test_secrets_are_on_no_cassette_and_who_replays_needs_none(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    recorded = await complete(cassette(path, "record", veil=VEIL), request("house/a", f"The key is {CANARY}."))

    replayed = await complete(cassette(path, "replay"), request("house/a", "The key is secret://door."))

    assert CANARY in recorded.message.text
    assert CANARY not in path.read_text()
    assert replayed.message.text == "You said: The key is secret://door."
    assert "".join(json.loads(path.read_text())["pieces"]) == replayed.message.text


async def test_nobody_else_may_read_a_cassette(tmp_path: Path) -> None:
    await complete(cassette(tmp_path / "calls.jsonl", "record"), request("house/a"))

    assert (tmp_path / "calls.jsonl").stat().st_mode & 0o077 == 0


def test_a_cassette_that_is_none_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "calls.jsonl").write_text('\n{"question": 5}\n')

    with pytest.raises(ConfigError, match=r"line 2 of the cassette .*calls\.jsonl is no recorded call"):
        cassette(tmp_path / "calls.jsonl", "replay")
    with pytest.raises(ConfigError, match=r"none\.jsonl cannot be read .*`models\.cassette_mode` to record"):
        cassette(tmp_path / "none.jsonl", "replay")
