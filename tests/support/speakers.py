"""The adapters, each with the server that it speaks to: what one contract suite runs over."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from resprout.activities.models.anthropic import Anthropic
from resprout.activities.models.openai_chat import OpenAIChat
from resprout.activities.models.openai_responses import OpenAIResponses
from resprout.activities.models.provider import Provider
from resprout.actors.models import FromUser, ModelReply, ModelRequest, Piece, ToolOffer
from support.anthropic_server import AnthropicDialect
from support.model_server import Dialect, ModelServer, Turn, one_after_the_other
from support.openai_server import OpenAIDialect

KEY = "sk-canary-4711-very-secret"
Adapter = OpenAIChat | OpenAIResponses | Anthropic


@dataclass(frozen=True)
class Protocol:
    name: str
    provider: str
    dialect: Dialect
    adapter: Callable[[Provider], Adapter]
    path: str


PROTOCOLS = (
    Protocol("openai-chat", "openai", OpenAIDialect(), OpenAIChat, "/v1"),
    Protocol("openai-responses", "openai", OpenAIDialect(), OpenAIResponses, "/v1"),
    Protocol("anthropic", "anthropic", AnthropicDialect(), Anthropic, ""),
)


@dataclass(frozen=True)
class Speaker:
    protocol: Protocol
    server: ModelServer
    model: Adapter

    @property
    def asked(self) -> dict[str, Any]:
        """The body of the last request."""
        return self.server.heard[-1].body

    def request(self, text: str = "What is the time?", **fields: Any) -> ModelRequest:
        return request(f"{self.protocol.provider}/able-1", text, **fields)


@asynccontextmanager
async def speaking(protocol: Protocol, *turns: Turn, provider: str | None = None) -> AsyncIterator[Speaker]:
    server = ModelServer(protocol.dialect, one_after_the_other(*turns))
    async with server.listening():
        adapter = protocol.adapter(
            Provider(provider or protocol.provider, server.url + protocol.path, KEY, "set the variable")
        )
        try:
            yield Speaker(protocol, server, adapter)
        finally:
            await adapter.close()


def request(model: str, text: str = "What is the time?", **fields: Any) -> ModelRequest:
    return ModelRequest.model_validate({"model": model, "messages": [FromUser(text=text)], **fields})


def tool(name: str) -> ToolOffer:
    parameters = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    return ToolOffer(name=name, description=f"Does {name}.", parameters=parameters)


async def heard(stream: AsyncIterator[Piece | ModelReply]) -> tuple[list[str], ModelReply]:
    """Pieces as they were seen, without those that were taken back, and the reply."""
    texts: list[str] = []
    reply = None
    async for part in stream:
        match part:
            case Piece(anew=True):
                texts.clear()
            case Piece():
                texts.append(part.text)
            case ModelReply():
                reply = part
    assert reply is not None
    return texts, reply
