"""Anthropic's protocol as its reference documents it: /v1/messages."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from support.model_server import Heard, Turn, arguments, as_process, pieces

STOPS = {"length": "max_tokens", "refused": "refusal"}


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


class AnthropicDialect:
    def events(self, turn: Turn, heard: Heard) -> Iterator[bytes]:
        fresh = turn.input_tokens - turn.cached_tokens - turn.written_tokens
        usage = {
            "input_tokens": fresh,
            "cache_creation_input_tokens": turn.written_tokens,
            "cache_read_input_tokens": turn.cached_tokens,
            "output_tokens": 1,
        }
        message: dict[str, Any] = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": f"{heard.body['model']}-20260101",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            **({"usage": usage} if turn.counts else {}),
        }
        yield event("message_start", message=message)
        for index, (block, deltas) in enumerate(_blocks(turn)):
            yield event("content_block_start", index=index, content_block=block)
            yield event("ping")
            for delta in deltas:
                yield event("content_block_delta", index=index, delta=delta)
            yield event("content_block_stop", index=index)
        reason = STOPS.get(turn.stop) or ("tool_use" if turn.uses else "end_turn")
        usage = {"output_tokens": turn.output_tokens} if turn.counts else {}
        yield event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=usage)
        yield event("message_stop")

    def error(self, error: dict[str, Any]) -> bytes:
        return json.dumps({"type": "error", "error": {"type": "an_error", "message": "no", **error}}).encode()

    def error_event(self, error: dict[str, Any]) -> bytes:
        return event("error", error={"type": "api_error", "message": "no", **error})

    def position(self, body: dict[str, Any]) -> int:
        return sum(message["role"] == "assistant" for message in body["messages"])


def _blocks(turn: Turn) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    if turn.thought:
        deltas: list[dict[str, Any]] = [{"type": "thinking_delta", "thinking": text} for text in pieces(turn.thought)]
        signed = {"type": "signature_delta", "signature": "signed"}
        yield {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signed]
    if turn.text:
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": text} for text in pieces(turn.text)]
    for use in turn.uses:
        block: dict[str, Any] = {
            "type": "tool_use",
            "id": use.id,
            "name": use.name.replace(".", "__"),
            "input": {},
        }
        fragments = [{"type": "input_json_delta", "partial_json": text} for text in pieces(arguments(use), 5)]
        yield block, fragments


if __name__ == "__main__":
    as_process(AnthropicDialect())
