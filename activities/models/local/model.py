"""The bundled model as a `Model`: asks the model server of this node, which speaks OpenAI's chat completions.

The same request gives the same reply: without a temperature the likeliest token is taken each time, and with one the
seed is the same. Whoever stops listening closes the connection, and the server stops at the next token.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import httpx

from ....actors.models import (
    BEGUN,
    BadPrompt,
    ModelBusy,
    ModelFailed,
    ModelLost,
    ModelReply,
    ModelRequest,
    Piece,
    PromptTooLong,
    Usage,
)
from ..replies import reply_to
from .form import Form, Heard
from .prompt import conversation

SEED = 7
# In words of its own it says the same again and again, unless it must find other ones. Not where a grammar holds it:
# there it is to copy what it was given.
FRESH = {"repeat_penalty": 1.1, "repeat_last_n": 128}
BACK_SOON = timedelta(seconds=1)  # a server that was killed is there again
CONNECTS_WITHIN = 5.0
END = "[DONE]"

Event = dict[str, Any]


class LocalModel:
    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.AsyncClient(
            base_url=url,
            trust_env=False,  # a proxy of the environment is not for what is on this machine
            timeout=httpx.Timeout(None, connect=CONNECTS_WITHIN),
            # One connection, one call: on one that was kept, it is not known whether a call that found it closed was
            # begun.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece | ModelReply]:
        form = Form.of(request)
        heard, ending, is_begun = Heard(form), Ending(), False
        async with aclosing(self._events(_asked(request, form), request.timeout_seconds)) as events:
            async for event in events:
                ending.note(event)
                if not is_begun:
                    is_begun = True
                    yield BEGUN
                if (bit := _bit(event)) and (text := heard.more(bit)):
                    yield Piece(text=text)
        message, stop = form.read(heard.said, request, is_cut=ending.reason == "length")
        yield reply_to(request, message, ending.usage(), stop, ending.version or "")

    async def count(self, request: ModelRequest) -> int:
        """How many tokens the model would read."""
        form = Form.of(request)
        seconds = request.timeout_seconds
        written = await self._post("/apply-template", {"messages": conversation(request, form)}, seconds)
        # The template itself is written in special tokens; the text in between holds none of them as such.
        content = {"content": written["prompt"], "add_special": True, "parse_special": True}
        return len((await self._post("/tokenize", content, seconds))["tokens"])

    async def _events(self, body: Event, seconds: float) -> AsyncGenerator[Event]:
        deadline = time.monotonic() + seconds
        try:
            request = self._http.build_request("POST", "/v1/chat/completions", json=body)
            response = await _in_time(self._http.send(request, stream=True), deadline)
            async with aclosing(response):
                if response.status_code != HTTPStatus.OK:
                    raise _refusal(response.status_code, await _in_time(response.aread(), deadline))
                lines = response.aiter_lines()
                while (line := await _in_time(anext(lines, None), deadline)) != f"data: {END}":
                    if line is None:
                        raise ModelLost(
                            f"the local model's answer broke off: its server at {self.url} ended. Ask again."
                        )
                    if line.startswith(("data: ", "error: ")):
                        yield _event(line.partition(": ")[2])
        except TimeoutError:
            raise ModelLost(
                f"the local model was not done within {seconds:.0f} s. Allow more, or ask for less."
            ) from None
        except httpx.TransportError as error:
            raise self._unreached(error) from None

    async def _post(self, path: str, body: Event, seconds: float) -> Any:
        try:
            response = await self._http.post(path, json=body, timeout=seconds)
        except httpx.TransportError as error:
            raise self._unreached(error) from None
        if response.status_code != HTTPStatus.OK:
            raise _refusal(response.status_code, response.content)
        return _event(response.text)

    def _unreached(self, error: httpx.TransportError) -> ModelBusy | ModelLost:
        if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
            return ModelBusy(
                f"the local model's server at {self.url} does not answer. "
                "`resprout status` says how it is; outside of a stack, start `resprout model-server`.",
                BACK_SOON,
            )
        return ModelLost(f"the connection to the local model's server at {self.url} broke. Ask again.")


class Ending:
    """What is said beside the text: why it ended, what it took, what answered."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.version: str | None = None
        self.counted: Mapping[str, Any] = {}

    def note(self, event: Event) -> None:
        if "error" in event:
            raise _of_error(event["error"], HTTPStatus.INTERNAL_SERVER_ERROR)
        for choice in event.get("choices", ()):
            self.reason = choice.get("finish_reason") or self.reason
        self.version = event.get("model") or self.version
        self.counted = event.get("usage") or self.counted

    def usage(self) -> Usage:
        return Usage(
            input_tokens=self.counted.get("prompt_tokens", 0),
            cached_tokens=(self.counted.get("prompt_tokens_details") or {}).get("cached_tokens", 0),
            output_tokens=self.counted.get("completion_tokens", 0),
        )


def _asked(request: ModelRequest, form: Form) -> Event:
    grammar = form.grammar()
    return {
        "messages": conversation(request, form),
        "max_tokens": request.max_tokens,
        "temperature": request.temperature or 0.0,
        "seed": SEED if request.seed is None else request.seed,
        "reasoning_format": "none",  # what it says is what it says
        "stream": True,
        "stream_options": {"include_usage": True},
    } | ({"grammar": grammar} if grammar else FRESH)


def _bit(event: Event) -> str:
    return "".join(choice.get("delta", {}).get("content") or "" for choice in event.get("choices", ()))


async def _in_time(awaitable: Any, deadline: float) -> Any:
    """Not around the whole stream: whoever listens may be slow between two pieces."""
    async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
        return await awaitable


def _event(text: str) -> Event:
    try:
        event = json.loads(text)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        raise ModelFailed("the local model's server said what is no JSON object. See the log of `model-server`.")
    return event


def _refusal(status: int, body: bytes) -> Exception:
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        error = {}
    return _of_error(error if isinstance(error, dict) else {}, status)


def _of_error(error: Mapping[str, Any], status: int) -> Exception:
    said = str(error.get("message") or f"status {status}").rstrip(".")
    if error.get("type") == "exceed_context_size_error":
        return PromptTooLong(
            f"the prompt has {error.get('n_prompt_tokens', 'more')} tokens, the window of the local model "
            f"{error.get('n_ctx', 'fewer')}. Shorten the conversation, or give it a model with a larger window."
        )
    code = int(error.get("code") or status)
    if code == HTTPStatus.SERVICE_UNAVAILABLE:
        return ModelBusy(f"the local model is not ready: {said}. Try again in a moment.", BACK_SOON)
    if HTTPStatus.BAD_REQUEST <= code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return BadPrompt(f"the local model refuses what it was asked: {said}.")
    return ModelFailed(f"the local model failed: {said}. See the log of `model-server`.")
