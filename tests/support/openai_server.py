"""OpenAI's two protocols as their reference documents them: /v1/chat/completions and /v1/responses."""

import json
import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from support.model_server import Heard, Turn, arguments, as_process, pieces

CREATED = 1_750_000_000


def event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def written(name: str) -> str:
    """As it was offered: a script names tools as we do."""
    return name.replace(".", "__")


class OpenAIDialect:
    def events(self, turn: Turn, heard: Heard) -> Iterator[bytes]:
        return _responses(turn, heard) if heard.path.endswith("/responses") else _chat(turn, heard)

    def error(self, error: dict[str, Any]) -> bytes:
        return json.dumps(
            {"error": {"message": "no", "type": "an_error", "param": None, "code": None, **error}}
        ).encode()

    def error_event(self, error: dict[str, Any]) -> bytes:
        return event({"error": {"message": "no", "type": "server_error", "code": None, **error}})

    def position(self, body: dict[str, Any]) -> int:
        items = body.get("messages") or body.get("input") or []
        spoken, was_model = 0, False
        for item in items:
            is_model = item.get("role") == "assistant" or item.get("type") in ("function_call", "reasoning")
            spoken += is_model and not was_model
            was_model = is_model
        return spoken


def _chat(turn: Turn, heard: Heard) -> Iterator[bytes]:
    head = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": f"{heard.body['model']}-2026-01-01",
        "system_fingerprint": "fp_1",
    }

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return event({**head, "choices": [choice], "usage": None})

    yield chunk({"role": "assistant", "content": "" if not turn.uses else None, "refusal": None})
    field = "refusal" if turn.stop == "refused" else "content"
    for text in pieces(turn.text):
        yield chunk({field: text})
    for index, use in enumerate(turn.uses):
        function = {"name": written(use.name), "arguments": ""}
        called = {"index": index, "id": use.id, "type": "function", "function": function}
        yield chunk({"tool_calls": [called]})
    # Fragments of several calls, one in between the other.
    for row in zip_longest(*(pieces(arguments(use), 5) for use in turn.uses)):
        for index, fragment in enumerate(row):
            if fragment is not None:
                yield chunk({"tool_calls": [{"index": index, "function": {"arguments": fragment}}]})
    finish = {"length": "length", "refused": "stop"}.get(turn.stop) or ("tool_calls" if turn.uses else "stop")
    yield chunk({}, finish)
    if turn.counts and (heard.body.get("stream_options") or {}).get("include_usage"):
        usage = {
            "prompt_tokens": turn.input_tokens,
            "completion_tokens": turn.output_tokens,
            "total_tokens": turn.input_tokens + turn.output_tokens,
            "prompt_tokens_details": {"cached_tokens": turn.cached_tokens, "cache_write_tokens": turn.written_tokens},
        }
        yield event({**head, "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def _responses(turn: Turn, heard: Heard) -> Iterator[bytes]:
    number = 0

    def said(kind: str, **fields: Any) -> bytes:
        nonlocal number
        number += 1
        data = json.dumps({"type": kind, "sequence_number": number - 1, **fields})
        return f"event: {kind}\ndata: {data}\n\n".encode()

    response: dict[str, Any] = {
        "id": "resp_1",
        "object": "response",
        "created_at": CREATED,
        "model": f"{heard.body['model']}-2026-01-01",
        "status": "in_progress",
        "output": [],
        "error": None,
        "incomplete_details": None,
        "usage": None,
    }
    yield said("response.created", response=response)
    yield said("response.in_progress", response=response)
    output = list(_items(turn))
    for index, item in enumerate(output):
        yield said("response.output_item.added", output_index=index, item={**item, "status": "in_progress"})
        place = {"item_id": item["id"], "output_index": index}
        if item["type"] == "message":
            kind = "refusal" if turn.stop == "refused" else "output_text"
            for text in pieces(turn.text):
                yield said(f"response.{kind}.delta", **place, content_index=0, delta=text)
            yield said(f"response.{kind}.done", **place, content_index=0, **{kind.removeprefix("output_"): turn.text})
        if item["type"] == "function_call":
            for fragment in pieces(item["arguments"], 5):
                yield said("response.function_call_arguments.delta", **place, delta=fragment)
            yield said("response.function_call_arguments.done", **place, arguments=item["arguments"])
        yield said("response.output_item.done", output_index=index, item=item)
    usage = {
        "input_tokens": turn.input_tokens,
        "input_tokens_details": {"cached_tokens": turn.cached_tokens, "cache_write_tokens": turn.written_tokens},
        "output_tokens": turn.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": turn.input_tokens + turn.output_tokens,
    }
    is_cut = turn.stop == "length"
    ending = {
        **response,
        "status": "incomplete" if is_cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
        "output": output,
        "usage": usage if turn.counts else None,
    }
    yield said("response.incomplete" if is_cut else "response.completed", response=ending)


def _items(turn: Turn) -> Iterator[dict[str, Any]]:
    if turn.thought:
        summary = [{"type": "summary_text", "text": turn.thought}]
        yield {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "sealed", "status": None}
    if turn.text:
        content = (
            {"type": "refusal", "refusal": turn.text}
            if turn.stop == "refused"
            else {"type": "output_text", "text": turn.text, "annotations": []}
        )
        yield {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [content]}
    for index, use in enumerate(turn.uses):
        yield {
            "type": "function_call",
            "id": f"fc_{index}",
            "call_id": use.id,
            "name": written(use.name),
            "arguments": arguments(use),
            "status": "completed",
        }


if __name__ == "__main__":
    as_process(OpenAIDialect())
