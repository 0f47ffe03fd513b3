"""How many tokens a call can take at most, known before it is made.

A token of a byte-level vocabulary is at least one byte of what was written, so the bytes of a text bound its tokens;
what providers put around messages and tools is bounded by constants, several times what they are seen to add. For
English that is three to four times the truth. So of a conversation that goes on, what its last call read is taken as
the provider counted it, and only what came since is bounded by its bytes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from ...actors.models import FromModel, FromTool, FromUser, ModelRequest, Refusal, Spoken
from .prices import Price

PER_REQUEST = 64
PER_MESSAGE = 32
PER_USE = 64
PER_TOOL = 128
WITH_TOOLS = 2_048  # instructions that a provider adds when there are tools
WITH_FORM = 512  # or when the answer has a form
LEAST_OUTPUT = 256  # an answer that may only be shorter than that is not worth a call


@dataclass(frozen=True, slots=True)
class Known:
    """What the provider counted for a prompt, should the next one begin like it."""

    messages: int
    mark: int  # holds within this process only
    tokens: int


def known_tokens(request: ModelRequest, input_tokens: int) -> Known:
    """After a call, what its prompt took."""
    return Known(len(request.messages), _mark(request, len(request.messages)), input_tokens)


def input_bound(request: ModelRequest, known: Known | None = None) -> int:
    if known is not None and _mark(request, known.messages) == known.mark:
        return known.tokens + _of_messages(request.messages[known.messages :])
    return PER_REQUEST + _bytes(request.system) + _of_tools(request) + _of_messages(request.messages)


def output_bound(request: ModelRequest, price: Price | None) -> int:
    most = price.most_output if price is not None else None
    return min(request.max_tokens, most) if most is not None else request.max_tokens


def fitting_output(refusal: Refusal, request: ModelRequest, input_tokens: int, price: Price | None) -> int | None:
    """How much it may say so that the call fits into what is left; None when that is too little."""
    match refusal.bound:
        case "tokens":
            room: int | None = refusal.left - input_tokens
        case "cost":
            room = price.output_for(refusal.left, input_tokens) if price is not None else None
        case "calls" | "time" | "missing":
            room = None
        case _:
            assert_never(refusal.bound)
    if room is None or room < LEAST_OUTPUT or room >= output_bound(request, price):
        return None
    return room


def _of_messages(messages: Sequence[Spoken]) -> int:
    return sum(PER_MESSAGE + _of_message(message) for message in messages)


def _of_message(message: Spoken) -> int:
    match message:
        case FromUser():
            return _bytes(message.text)
        case FromTool():
            return _bytes(message.text) + _bytes(message.use)
        case FromModel():
            uses = sum(PER_USE + _bytes(use.id) + _bytes(use.name) + _of_json(use.arguments) for use in message.uses)
            malformed = sum(_bytes(use.malformed or "") for use in message.uses)
            return _bytes(message.text) + uses + malformed + (_of_json(message.aside) if message.aside else 0)
        case _:
            assert_never(message)


def _of_tools(request: ModelRequest) -> int:
    offered = sum(
        PER_TOOL + _bytes(tool.name) + _bytes(tool.description) + _of_json(tool.parameters) for tool in request.tools
    )
    form = WITH_FORM + _of_json(request.answer.shape) if request.answer is not None else 0
    return offered + form + (WITH_TOOLS if request.tools else 0)


def _bytes(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


def _of_json(value: Any) -> int:
    """With as much space as anybody puts in, and characters escaped where that is longer."""
    return max(_bytes(json.dumps(value, ensure_ascii=ascii_, indent=2)) for ascii_ in (True, False))


def _mark(request: ModelRequest, messages: int) -> int:
    """Of what a prompt begins with, and so many of its messages.

    Python keeps the hash of a text with the text: so a long conversation is not read again for each call.
    """
    head = request.model_dump_json(include={"model", "system", "tools", "answer", "choice"})
    return hash((messages, head, *(_mark_of(message) for message in request.messages[:messages])))


def _mark_of(message: Spoken) -> int:
    match message:
        case FromUser():
            return hash((message.role, message.text))
        case FromTool():
            return hash((message.role, message.text, message.use, message.failed))
        case FromModel():
            return hash((message.role, message.text, message.model_dump_json(include={"uses", "aside"})))
        case _:
            assert_never(message)
