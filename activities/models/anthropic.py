"""Anthropic's messages: blocks of text, thoughts and uses of tools, with marks up to which a prompt is cached."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anthropic

from ...actors.models import BadPrompt, FromModel, FromTool, FromUser, ModelReply, ModelRequest, Piece
from .anthropic_client import AnthropicClient, translate
from .anthropic_hearing import PROTOCOL, AnthropicHearing
from .aside import Blocks, from_aside
from .exchange import exchange
from .failures import Failures
from .provider import Provider, own_name
from .tool_names import spelled
from .turns import Ours, arguments_of, turns

CHOICES = {"auto": "auto", "none": "none", "required": "any"}
MARK = {"type": "ephemeral"}
MARKED_TURNS = 2  # of ours, the last: with the system prompt and the tools, these are the four marks there may be


class Anthropic:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._client = AnthropicClient(provider)

    def stream(self, request: ModelRequest) -> AsyncIterator[Piece | ModelReply]:
        body = _body(request, self._provider)
        hearing = AnthropicHearing(request, self._provider)
        return exchange(lambda: self._client.begin(body), hearing, Failures(self._provider, request), translate)

    async def close(self) -> None:
        await self._client.close()


def _body(request: ModelRequest, provider: Provider) -> dict[str, Any]:
    """Without temperature and seed, which this protocol does not have."""
    body: dict[str, Any] = {
        "model": own_name(request.model),
        "max_tokens": request.max_tokens,
        "messages": list(_messages(request, provider)),
        "stream": True,
    }
    if request.system.strip():
        body["system"] = [_text(request.system)]
    if request.tools:
        body["tools"] = [
            {"name": spelled(tool.name), "description": tool.description, "input_schema": tool.parameters}
            for tool in request.tools
        ]
        body["tool_choice"] = {"type": CHOICES[request.choice]}
    if request.answer:
        body["output_config"] = {"format": {"type": "json_schema", "schema": _schema(request, provider)}}
    if request.conversation is not None:  # what is asked once only is not worth writing into a cache
        _mark(body)
    return body


def _messages(request: ModelRequest, provider: Provider) -> Iterator[dict[str, Any]]:
    for turn in turns(request.messages):
        if isinstance(turn, FromModel):
            role, blocks = "assistant", from_aside(provider, PROTOCOL, turn, "id") or _as_said(turn)
        else:
            role, blocks = "user", _as_asked(turn)
        if blocks:  # an empty turn is refused
            yield {"role": role, "content": blocks}


def _as_said(said: FromModel) -> Blocks:
    uses = [
        {"type": "tool_use", "id": use.id, "name": spelled(use.name), "input": arguments_of(use)} for use in said.uses
    ]
    return [*_texts(said.text), *uses]


def _as_asked(turn: Ours) -> Blocks:
    return [block for one in turn for block in (_texts(one.text) if isinstance(one, FromUser) else [_answered(one)])]


def _answered(answer: FromTool) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": answer.use, "content": answer.text}
    return block | {"is_error": True} if answer.failed else block


def _texts(text: str) -> Blocks:
    """A block without a word is refused."""
    return [_text(text)] if text.strip() else []


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _schema(request: ModelRequest, provider: Provider) -> dict[str, Any]:
    assert request.answer is not None
    try:
        return anthropic.transform_schema(dict(request.answer.shape))
    except (ValueError, TypeError, AttributeError):
        raise BadPrompt(
            f"{provider.name} cannot hold an answer to the schema {request.answer.name!r}: "
            "give each part of it a `type`, `enum`, `anyOf` or `$ref`."
        ) from None


def _mark(body: dict[str, Any]) -> None:
    for blocks in (body.get("tools"), body.get("system")):
        if blocks:
            blocks[-1]["cache_control"] = MARK
    asked = [message for message in body["messages"] if message["role"] == "user"]
    for message in asked[-MARKED_TURNS:]:
        message["content"][-1]["cache_control"] = MARK
