"""What a model says by chat completions: text and calls in fragments, put together by their index."""

from collections.abc import Iterator

from ...actors.models import FromModel, ModelReply, ModelRequest, Stop, ToolUse, Usage
from .arguments import tool_use
from .heard import Heard
from .tokens import guessed_usage
from .tool_names import Spelling


class _Function(Heard):
    name: str | None = None
    arguments: str | None = None


class _Fragment(Heard):
    index: int = 0
    id: str | None = None
    function: _Function | None = None


class _Delta(Heard):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Fragment] | None = None


class _Choice(Heard):
    delta: _Delta = _Delta()
    finish_reason: str | None = None


class _Cached(Heard):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _Counted(Heard):
    prompt_tokens: int
    completion_tokens: int
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
        self._calls: dict[int, _Call] = {}
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
            self._is_refused = self._is_refused or bool(choice.delta.refusal)
            for fragment in choice.delta.tool_calls or ():
                self._add(fragment)
            for text in filter(None, (choice.delta.content, choice.delta.refusal)):
                self._text.append(text)
                yield text

    def _add(self, fragment: _Fragment) -> None:
        index = fragment.index
        if fragment.id and index in self._calls and self._calls[index].id != fragment.id:
            index = max(self._calls) + 1  # some servers give every call the index 0
        call = self._calls.setdefault(index, _Call())
        call.id = call.id or fragment.id or ""
        if fragment.function is not None:
            call.name = call.name or fragment.function.name or ""
            call.arguments += fragment.function.arguments or ""

    def reply(self) -> ModelReply:
        message = FromModel(text="".join(self._text), uses=tuple(self._uses()))
        usage = _usage(self._counted) if self._counted else guessed_usage(self._request, message)
        return ModelReply(
            message=message, usage=usage, stop=self._stop(), model=self._request.model, version=self._version
        )

    def _uses(self) -> Iterator[ToolUse]:
        for index, call in sorted(self._calls.items()):
            # Some servers give no ids. One must be new in the conversation, which grows with every answer.
            use_id = call.id or f"call_{len(self._request.messages)}_{index}"
            yield tool_use(use_id, self._spelling.read(call.name), call.arguments)

    def _stop(self) -> Stop:
        if self._is_refused or self._finish == "content_filter":
            return "refused"
        if self._finish == "length":
            return "length"
        return "tools" if self._calls else "end"  # some servers finish with `stop` although they use tools


def _usage(counted: _Counted) -> Usage:
    cached = counted.prompt_tokens_details or _Cached()
    return Usage(
        input_tokens=counted.prompt_tokens,
        cached_tokens=cached.cached_tokens or 0,
        written_tokens=cached.cache_write_tokens or 0,
        output_tokens=counted.completion_tokens,
    )
