"""What a model says by chat completions: text and calls in fragments, put together by their ids and indexes.

By the reference, the first fragment of a call has its id, and all have its index. Servers that are no OpenAI's give
every call the index 0, or none, repeat the id, or write arguments as the object that they are: so an id that is new
begins a call, and what has no id belongs to the newest call of its index.
"""

import json
from collections.abc import Iterator

from pydantic import JsonValue

from ...actors.models import FromModel, ModelReply, ModelRequest, Stop, ToolUse, Usage
from .arguments import tool_use
from .heard import Heard
from .replies import reply_to
from .tool_names import Spelling


class _Function(Heard):
    name: str | None = None
    arguments: str | dict[str, JsonValue] | None = None


class _Fragment(Heard):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(Heard):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Fragment] | None = None


class _Choice(Heard):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Cached(Heard):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _Counted(Heard):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Cached | None = None


class _Chunk(Heard):
    choices: list[_Choice]
    model: str | None = None
    usage: _Counted | None = None


class _Call:
    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments = ""


class ChatHearing:
    def __init__(self, request: ModelRequest) -> None:
        self._request = request
        self._spelling = Spelling(tool.name for tool in request.tools)
        self._text: list[str] = []
        self._is_refused = False
        self._calls: list[_Call] = []
        self._newest: dict[int | None, _Call] = {}  # by index; of all, by none
        self._finish: str | None = None
        self._counted: _Counted | None = None
        self._version = ""

    @property
    def is_over(self) -> bool:
        return self._finish is not None

    def hear(self, event: object) -> Iterator[str]:
        chunk = _Chunk.model_validate(event)
        self._version = chunk.model or self._version
        self._counted = chunk.usage or self._counted
        for choice in chunk.choices[:1]:
            self._finish = choice.finish_reason or self._finish
            yield from self._grow(choice.delta or _Delta())

    def _grow(self, delta: _Delta) -> Iterator[str]:
        self._is_refused = self._is_refused or bool(delta.refusal)
        for fragment in delta.tool_calls or ():
            self._add(fragment)
        for text in filter(None, (delta.content, delta.refusal)):
            self._text.append(text)
            yield text

    def _add(self, fragment: _Fragment) -> None:
        call = self._call_of(fragment)
        self._newest[fragment.index] = self._newest[None] = call
        call.id = call.id or fragment.id or ""
        if fragment.function is not None:
            call.name = call.name or fragment.function.name or ""
            call.arguments += _written(fragment.function.arguments)

    def _call_of(self, fragment: _Fragment) -> _Call:
        newest = self._newest.get(fragment.index)
        known = [call for call in self._calls if call.id == fragment.id] if fragment.id else []
        if known:
            return known[0]
        if newest is not None and not (fragment.id and newest.id):
            return newest
        self._calls.append(call := _Call())
        return call

    def reply(self) -> ModelReply:
        message = FromModel(text="".join(self._text), uses=tuple(self._uses()))
        usage = _usage(self._counted) if self._counted else None
        return reply_to(self._request, message, usage, self._stop(), self._version)

    def _uses(self) -> Iterator[ToolUse]:
        for index, call in enumerate(self._calls):
            # Some servers give no ids. One must be new in the conversation, which grows with every answer.
            use_id = call.id or f"call_{len(self._request.messages)}_{index}"
            yield tool_use(use_id, self._spelling.read(call.name), call.arguments, self._stop())

    def _stop(self) -> Stop:
        if self._is_refused or self._finish == "content_filter":
            return "refused"
        if self._finish == "length":
            return "length"
        return "tools" if self._calls else "end"  # some servers finish with `stop` although they use tools


def _written(arguments: str | dict[str, JsonValue] | None) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments) if arguments is not None else ""


def _usage(counted: _Counted) -> Usage | None:
    if counted.prompt_tokens is None or counted.completion_tokens is None:
        return None
    cached = counted.prompt_tokens_details or _Cached()
    return Usage(
        input_tokens=counted.prompt_tokens,
        cached_tokens=cached.cached_tokens or 0,
        written_tokens=cached.cache_write_tokens or 0,
        output_tokens=counted.completion_tokens,
    )
