"""What a model says by OpenAI's responses: watched while it comes, and read whole from the items at its end."""

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from ...actors.models import FromModel, ModelReply, Stop, ToolUse, Usage
from .arguments import tool_use
from .aside import Blocks, set_aside
from .failures import Failures, Said
from .heard import Heard
from .replies import reply_to
from .tool_names import Spelling

PROTOCOL = "openai-responses"
OVER = ("response.completed", "response.incomplete")


class _Delta(Heard):
    delta: str


class _Content(Heard):
    type: str
    text: str = ""
    refusal: str = ""


class _Message(Heard):
    content: list[_Content]


class _FunctionCall(Heard):
    call_id: str
    name: str
    arguments: str


class _Event(Heard):
    type: str


class _ItemDone(Heard):
    item: dict[str, Any]


class _Cached(Heard):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _Counted(Heard):
    input_tokens: int
    output_tokens: int
    input_tokens_details: _Cached | None = None


class _Reason(Heard):
    reason: str | None = None


class _Trouble(Heard):
    code: str | None = None
    message: str | None = None
    type: str | None = None
    param: str | None = None


class _Response(Heard):
    model: str | None = None
    output: list[dict[str, Any]] | None = None
    usage: _Counted | None = None
    incomplete_details: _Reason | None = None
    error: _Trouble | None = None


class _WithResponse(Heard):
    response: _Response


class ResponsesHearing:
    def __init__(self, failures: Failures) -> None:
        self._failures = failures
        self._request = failures.request
        self._spelling = Spelling(tool.name for tool in failures.request.tools)
        self._items: Blocks = []
        self._response: _Response | None = None

    @property
    def is_over(self) -> bool:
        return self._response is not None

    def hear(self, event: object) -> Iterator[str]:
        match kind := _Event.model_validate(event).type:
            case "response.output_text.delta" | "response.refusal.delta":
                yield _Delta.model_validate(event).delta
            case "response.output_item.done":
                self._items.append(_ItemDone.model_validate(event).item)
            case "response.failed":
                self._fail(_WithResponse.model_validate(event).response.error or _Trouble())
            case "error":
                self._fail(_Trouble.model_validate(event))
            case _ if kind in OVER:
                self._response = _WithResponse.model_validate(event).response

    def _fail(self, trouble: _Trouble) -> None:
        kind = trouble.type if trouble.type != "error" else ""  # which only says what the event is
        said = Said(None, trouble.code or "", kind or "", trouble.param or "", trouble.message)
        raise self._failures.told(said)

    def reply(self) -> ModelReply:
        assert self._response is not None
        items = self._response.output or self._items
        messages = [_Message.model_validate(item) for item in items if item.get("type") == "message"]
        contents = [content for one in messages for content in one.content]
        stop = self._stop(items, contents)
        message = FromModel(
            text="".join(content.text or content.refusal for content in contents),
            uses=tuple(self._uses(items, stop)),
            aside=self._aside(items),
        )
        usage = _usage(self._response.usage) if self._response.usage else None
        return reply_to(self._request, message, usage, stop, self._response.model or "")

    def _uses(self, items: Blocks, stop: Stop) -> Iterator[ToolUse]:
        for item in items:
            if item.get("type") == "function_call":
                call = _FunctionCall.model_validate(item)
                yield tool_use(call.call_id, self._spelling.read(call.name), call.arguments, stop)

    def _aside(self, items: Blocks) -> dict[str, JsonValue]:
        """Only where there were thoughts, or parts of the answer with a name: the rest can be told again from ours."""
        if not any(item.get("type") == "reasoning" or item.get("phase") for item in items):
            return {}
        known = [{field: value for field, value in item.items() if value is not None} for item in items]
        return set_aside(self._failures.provider, PROTOCOL, known)

    def _stop(self, items: Blocks, contents: list[_Content]) -> Stop:
        assert self._response is not None
        reason = self._response.incomplete_details.reason if self._response.incomplete_details else None
        if reason == "content_filter" or any(content.type == "refusal" for content in contents):
            return "refused"
        if reason is not None:
            return "length"
        return "tools" if any(item.get("type") == "function_call" for item in items) else "end"


def _usage(counted: _Counted) -> Usage:
    cached = counted.input_tokens_details or _Cached()
    return Usage(
        input_tokens=counted.input_tokens,
        cached_tokens=cached.cached_tokens or 0,
        written_tokens=cached.cache_write_tokens or 0,
        output_tokens=counted.output_tokens,
    )
