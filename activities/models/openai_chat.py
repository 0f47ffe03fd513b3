"""Chat completions: the protocol of OpenAI that most other providers and local servers speak, too."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from ...actors.models import FromModel, FromTool, FromUser, ModelReply, ModelRequest, Piece, ToolOffer
from .exchange import exchange
from .failures import Failures
from .openai_chat_hearing import ChatHearing
from .openai_client import OpenAIClient, cache_key, is_strict, takes_temperature, translate
from .provider import Provider, own_name
from .tool_names import spelled
from .turns import arguments_of, turns


class OpenAIChat:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._client = OpenAIClient(provider)

    def stream(self, request: ModelRequest) -> AsyncIterator[Piece | ModelReply]:
        body = _body(request, self._provider)
        return exchange(
            lambda: self._client.begin("/chat/completions", body),
            ChatHearing(request),
            Failures(self._provider, request),
            translate,
        )

    async def close(self) -> None:
        await self._client.close()


def _body(request: ModelRequest, provider: Provider) -> dict[str, Any]:
    name = own_name(request.model)
    body: dict[str, Any] = {
        "model": name,
        "messages": list(_messages(request)),
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens" if provider.is_openai else "max_tokens": request.max_tokens,
        "temperature": request.temperature if takes_temperature(provider, name) else None,
        "seed": request.seed,
        "prompt_cache_key": cache_key(request) if provider.is_openai else None,
    }
    if request.tools:
        body["tools"] = [{"type": "function", "function": _offered(tool)} for tool in request.tools]
        body["tool_choice"] = request.choice
    if form := request.answer:
        schema = {"name": form.name, "schema": form.shape, "strict": is_strict(form.shape)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return {field: value for field, value in body.items() if value is not None}


def _offered(tool: ToolOffer) -> dict[str, Any]:
    return {"name": spelled(tool.name), "description": tool.description, "parameters": tool.parameters}


def _messages(request: ModelRequest) -> Iterator[dict[str, Any]]:
    if request.system:
        yield {"role": "system", "content": request.system}
    for turn in turns(request.messages):
        if isinstance(turn, FromModel):
            yield _as_said(turn)
        else:
            yield from map(_as_asked, turn)


def _as_said(said: FromModel) -> dict[str, Any]:
    if not said.uses:
        return {"role": "assistant", "content": said.text}
    calls = [
        {
            "id": use.id,
            "type": "function",
            "function": {"name": spelled(use.name), "arguments": json.dumps(arguments_of(use), ensure_ascii=False)},
        }
        for use in said.uses
    ]
    return {"role": "assistant", "content": said.text or None, "tool_calls": calls}


def _as_asked(asked: FromTool | FromUser) -> dict[str, Any]:
    if isinstance(asked, FromTool):
        return {"role": "tool", "tool_call_id": asked.use, "content": asked.text}
    return {"role": "user", "content": asked.text}
