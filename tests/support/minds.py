"""A mind that says what a test has written down, and counts how often it was asked."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from resprout.actors.brain import Saying, Thought
from resprout.actors.models import FromModel, ModelReply, ModelRequest, Stop, ToolUse, Usage

Script = Callable[[ModelRequest], ModelReply]


def says(text: str = "", *uses: ToolUse, stop: Stop | None = None) -> ModelReply:
    usage = Usage(input_tokens=10, output_tokens=5)
    return ModelReply(
        message=FromModel(text=text, uses=uses),
        usage=usage,
        stop=stop or ("tools" if uses else "end"),
        model="test/scripted",
    )


def use(name: str, id: str = "u1", **arguments: object) -> ToolUse:  # noqa: A002
    return ToolUse.model_validate({"id": id, "name": name, "arguments": arguments})


@dataclass
class ScriptedMind:
    replies: list[ModelReply | Exception] = field(default_factory=list)
    tokens: int = 100_000
    asked: list[ModelRequest] = field(default_factory=list)
    hold: asyncio.Event | None = None  # while it is not set, every thought takes for ever

    def will(self, *replies: ModelReply | Exception) -> None:
        self.replies += replies

    async def think(self, request: ModelRequest) -> Thought:
        self.asked.append(request)
        if self.hold is not None:
            await self.hold.wait()
        reply = self.replies.pop(0) if self.replies else says(f"reply {len(self.asked)}")
        if isinstance(reply, Exception):
            raise reply
        return Thought(reply=reply, cost_nanos=1_000)

    async def settled(self) -> None:
        pass

    def speech(self, agent: str) -> Saying | None:
        return None

    def window(self, model: str) -> int:
        return self.tokens


def texts(request: ModelRequest) -> list[str]:
    return [message.text for message in request.messages]


def roles(messages: Iterable[object]) -> list[str]:
    return [message.role for message in messages]  # type: ignore[attr-defined]


@dataclass
class AnsweringMind:
    """Says what a function makes of each request."""

    answer: Callable[[ModelRequest], str | ModelReply] = lambda request: "an answer"
    asked: list[ModelRequest] = field(default_factory=list)

    async def think(self, request: ModelRequest) -> Thought:
        self.asked.append(request)
        said = self.answer(request)
        return Thought(reply=says(said) if isinstance(said, str) else said, cost_nanos=1_000)

    async def settled(self) -> None:
        pass

    def speech(self, agent: str) -> Saying | None:
        return None

    def window(self, model: str) -> int:
        return 100_000
