"""What a model says by Anthropic's messages: blocks that begin, grow and end, each by its index."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from ...actors.models import FromModel, ModelReply, ModelRequest, Stop, ToolUse, Usage
from .arguments import tool_use
from .aside import Blocks, set_aside
from .heard import Heard
from .provider import Provider
from .replies import reply_to
from .tool_names import Spelling

PROTOCOL = "anthropic"
STOPS: dict[str, Stop] = {
    "refusal": "refused",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tools",
}


class _Counted(Heard):
    """Each number replaces the one before: they count from the beginning."""

    input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens: int | None = None


class _Begun(Heard):
    model: str
    usage: _Counted | None = None


class _MessageStart(Heard):
    message: _Begun


class _BlockStart(Heard):
    index: int
    content_block: dict[str, Any]


class _Delta(Heard):
    type: str
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    signature: str = ""


class _BlockDelta(Heard):
    index: int
    delta: _Delta


class _Ending(Heard):
    stop_reason: str | None = None


class _MessageDelta(Heard):
    delta: _Ending
    usage: _Counted | None = None


class _Event(Heard):
    type: str


class _ToolUse(Heard):
    id: str
    name: str
    input: JsonValue = None


class AnthropicHearing:
    def __init__(self, request: ModelRequest, provider: Provider) -> None:
        self._request = request
        self._provider = provider
        self._spelling = Spelling(tool.name for tool in request.tools)
        self._blocks: dict[int, dict[str, Any]] = {}
        self._inputs: dict[int, str] = {}  # as they were written
        self._counted = _Counted()
        self._version = ""
        self._reason: str | None = None
        self.is_over = False

    def hear(self, event: object) -> Iterator[str]:
        match _Event.model_validate(event).type:
            case "message_start":
                begun = _MessageStart.model_validate(event).message
                self._version = begun.model
                self._count(begun.usage, but={"output_tokens"})  # which is known at the end
            case "content_block_start":
                start = _BlockStart.model_validate(event)
                self._blocks[start.index] = dict(start.content_block)
            case "content_block_delta":
                yield from self._grow(_BlockDelta.model_validate(event))
            case "message_delta":
                ending = _MessageDelta.model_validate(event)
                self._reason = ending.delta.stop_reason or self._reason
                self._count(ending.usage)
            case "message_stop":
                self.is_over = True

    def _grow(self, grown: _BlockDelta) -> Iterator[str]:
        delta, block = grown.delta, self._blocks.setdefault(grown.index, {"type": "text"})
        match delta.type:
            case "text_delta":
                block["text"] = block.get("text", "") + delta.text
                yield delta.text
            case "input_json_delta":
                self._inputs[grown.index] = self._inputs.get(grown.index, "") + delta.partial_json
            case "thinking_delta":
                block["thinking"] = block.get("thinking", "") + delta.thinking
            case "signature_delta":
                block["signature"] = block.get("signature", "") + delta.signature

    def _count(self, counted: _Counted | None, but: set[str] | None = None) -> None:
        if counted is not None:
            self._counted = self._counted.model_copy(update=counted.model_dump(exclude_none=True, exclude=but))

    def reply(self) -> ModelReply:
        blocks = [block for _, block in sorted(self._blocks.items())]
        is_using = any(block.get("type") == "tool_use" for block in blocks)
        stop = STOPS.get(self._reason or "", "tools" if is_using else "end")
        uses = tuple(self._uses(stop))
        message = FromModel(
            text="".join(str(block.get("text") or "") for block in blocks if block.get("type") == "text"),
            uses=uses,
            aside=self._aside(uses),
        )
        return reply_to(self._request, message, _usage(self._counted), stop, self._version)

    def _uses(self, stop: Stop) -> Iterator[ToolUse]:
        for index, block in sorted(self._blocks.items()):
            if block.get("type") == "tool_use":
                begun = _ToolUse.model_validate(block)
                # Without fragments, the block may have had them whole from its beginning.
                written = self._inputs.get(index) or (json.dumps(begun.input) if begun.input else "")
                yield tool_use(begun.id, self._spelling.read(begun.name), written, stop)

    def _aside(self, uses: tuple[ToolUse, ...]) -> dict[str, JsonValue]:
        """Only where it thought: thoughts count under their signature, and among the blocks where they stood."""
        if not any(str(block.get("type")).endswith("thinking") for block in self._blocks.values()):
            return {}
        inputs = {use.id: use.arguments for use in uses}
        blocks: Blocks = []
        for _, block in sorted(self._blocks.items()):
            if block.get("type") == "tool_use":
                block = {**block, "input": inputs[block["id"]]}
            if block.get("type") != "text" or str(block.get("text") or "").strip():
                blocks.append(block)
        return set_aside(self._provider, PROTOCOL, blocks)


def _usage(counted: _Counted) -> Usage | None:
    if counted.input_tokens is None or counted.output_tokens is None:
        return None
    cached, written = counted.cache_read_input_tokens or 0, counted.cache_creation_input_tokens or 0
    return Usage(
        input_tokens=counted.input_tokens + cached + written,
        cached_tokens=cached,
        written_tokens=written,
        output_tokens=counted.output_tokens,
    )
