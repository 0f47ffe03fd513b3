"""OpenAI's responses: items go in and out, and what a model thought goes back to it, encrypted.

Nothing is stored at the provider: the conversation is ours, and each request has all of it.
"""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from ...actors.models import FromModel, FromTool, FromUser, ModelReply, ModelRequest, Piece
from .aside import Blocks, from_aside
from .exchange import exchange
from .failures import Failures
from .openai_client import OpenAIClient, cache_key, is_strict, takes_temperature, thinks, translate
from .openai_responses_hearing import PROTOCOL, ResponsesHearing
from .provider import Provider, own_name
from .tool_names import spelled
from .turns import arguments_of, turns


class OpenAIResponses:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._client = OpenAIClient(provider)

    def stream(self, request: ModelRequest) -> AsyncIterator[Piece | ModelReply]:
        body = _body(request, self._provider)
        failures = Failures(self._provider, request)
        hearing = ResponsesHearing(failures)
        return exchange(lambda: self._client.begin("/responses", body), hearing, failures, translate)

    async def close(self) -> None:
        await self._client.close()


def _body(request: ModelRequest, provider: Provider) -> dict[str, Any]:
    name = own_name(request.model)
    body: dict[str, Any] = {
        "model": name,
        "instructions": request.system or None,
        "input": list(_input(request, provider)),
        "stream": True,
        "store": False,
        "max_output_tokens": request.max_tokens,
        "temperature": request.temperature if takes_temperature(provider, name) else None,
        "prompt_cache_key": cache_key(request) if provider.is_openai else None,
        "include": ["reasoning.encrypted_content"] if thinks(name) else None,  # others refuse to be asked for it
    }
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "name": spelled(tool.name),
                "description": tool.description,
                "parameters": tool.parameters,
                "strict": False,
            }
            for tool in request.tools
        ]
        body["tool_choice"] = request.choice
    if form := request.answer:
        shape = {"name": form.name, "schema": form.shape, "strict": is_strict(form.shape)}
        body["text"] = {"format": {"type": "json_schema", **shape}}
    return {field: value for field, value in body.items() if value is not None}


def _input(request: ModelRequest, provider: Provider) -> Iterator[dict[str, Any]]:
    for turn in turns(request.messages):
        if isinstance(turn, FromModel):
            yield from from_aside(provider, PROTOCOL, turn, "call_id") or _as_said(turn)
        else:
            yield from map(_as_asked, turn)


def _as_said(said: FromModel) -> Blocks:
    text = [{"role": "assistant", "content": said.text}] if said.text else []
    calls = [
        {
            "type": "function_call",
            "call_id": use.id,
            "name": spelled(use.name),
            "arguments": json.dumps(arguments_of(use), ensure_ascii=False),
        }
        for use in said.uses
    ]
    return [*text, *calls]


def _as_asked(asked: FromTool | FromUser) -> dict[str, Any]:
    if isinstance(asked, FromTool):
        return {"type": "function_call_output", "call_id": asked.use, "output": asked.text}
    return {"role": "user", "content": asked.text}
