"""Chat completions as servers write them that are no OpenAI's: calls of tools, and fields that are null or missing."""

import json
from typing import Any

import pytest
from resprout.actors.models import ModelReply, complete
from support.model_server import Turn
from support.speakers import PROTOCOLS, speaking, tool

CHAT = PROTOCOLS[0]
END = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


async def said(*chunks: dict[str, Any]) -> ModelReply:
    lines = [json.dumps(chunk) for chunk in (*chunks, END)]
    body = "".join(f"data: {line}\n\n" for line in (*lines, "[DONE]")).encode()
    async with speaking(CHAT, Turn(body=body), provider="house") as speaker:
        return await complete(speaker.model, speaker.request(tools=[tool("plain")]))


def delta(**fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


def call(arguments: Any, name: str | None = None, **fields: Any) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return delta(tool_calls=[{"function": function, **fields}])


@pytest.mark.parametrize("place", [{"index": 0}, {"index": None}, {}], ids=["index 0", "index null", "no index"])
@pytest.mark.parametrize("repeats", [False, True], ids=["id once", "id again"])
async def test_calls_of_one_index_are_told_apart_by_their_ids(place: dict[str, Any], repeats: bool) -> None:
    def of(name: str) -> dict[str, Any]:
        return place | ({"id": name} if repeats else {})

    reply = await said(
        call('{"t":', "plain", id="a", **place),
        call("1}", **of("a")),
        call('{"t":', "plain", id="b", **place),
        call("2}", **of("b")),
    )

    assert [(use.id, use.name, use.arguments) for use in reply.message.uses] == [
        ("a", "plain", {"t": 1}),
        ("b", "plain", {"t": 2}),
    ]


async def test_fragments_that_come_one_in_between_the_other_go_by_their_index() -> None:
    reply = await said(
        call("", "plain", id="a", index=0),
        call("", "plain", id="b", index=1),
        call('{"t":', index=0),
        call('{"t":', index=1),
        call("1}", index=0),
        call("2}", index=1),
    )

    assert [use.arguments for use in reply.message.uses] == [{"t": 1}, {"t": 2}]


async def test_calls_without_ids_go_by_their_index_and_get_ids_of_ours() -> None:
    reply = await said(call('{"t": 1}', "plain", index=0), call('{"t": 2}', "plain", index=1))

    assert [use.arguments for use in reply.message.uses] == [{"t": 1}, {"t": 2}]
    assert len({use.id for use in reply.message.uses} - {""}) == 2


async def test_arguments_may_come_as_the_object_that_they_are() -> None:
    reply = await said(call({"t": "é"}, "plain", id="a", index=0))

    assert [use.arguments for use in reply.message.uses] == [{"t": "é"}]


async def test_a_delta_may_be_null() -> None:
    reply = await said(delta(content="five"), {"choices": [{"index": 0, "delta": None, "finish_reason": "stop"}]})

    assert (reply.message.text, reply.stop) == ("five", "end")


async def test_half_of_a_usage_is_none() -> None:
    reply = await said({**delta(content="five"), "usage": {"prompt_tokens": 3, "total_tokens": 3}})

    assert (reply.message.text, reply.counted) == ("five", False)
