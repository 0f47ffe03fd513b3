"""The language models of a process, behind one `Model`: names lead to providers, calls through all that guards them.

    cassette → fall-back → patience → limits → what is paid → span and numbers → adapter

A provider is opened when it is first asked: a key that is missing hurts nobody who does not use it. One of these
belongs to one event loop.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Protocol, Self

from ..activities.models.cassette import Cassette
from ..activities.models.fallback import Fallback
from ..activities.models.limits import Limited
from ..activities.models.patience import Patience
from ..activities.models.provider import Provider
from ..activities.models.streams import closable
from ..activities.secrets import KnowsSecrets
from ..actors.models import Model, ModelReply, ModelRequest, Piece, UnknownModel
from .local_model import local_model
from .model_providers import LOCAL, Offered, provider_in, providers_of
from .model_settings import ModelsSettings
from .model_telemetry import Watched
from .secrets import SEEN, SecretsFromEnvironment


class Adapter(Model, Protocol):
    async def close(self) -> None: ...


class Models:
    def __init__(
        self,
        settings: ModelsSettings,
        secrets: KnowsSecrets | None = None,
        *,
        around: Callable[[Model], Model] = lambda model: model,
        beside: Mapping[str, Model] | None = None,
    ) -> None:
        """`around` is put around each provider's adapter; `beside` are models of providers that no settings lead to."""
        self._settings = settings
        self._secrets = secrets or SecretsFromEnvironment()
        self._providers = providers_of(settings)
        self._around = around
        self._beside = dict(beside or {})
        self._open: dict[str, Model] = {}
        self._adapters: list[Adapter] = []
        self._opening = asyncio.Lock()
        self._model: Model = Routed(self)
        if settings.cassette is not None:
            self._model = Cassette(settings.cassette, settings.cassette_mode, self._model, lambda: SEEN.veil)

    def stream(self, request: ModelRequest) -> AsyncGenerator[Piece | ModelReply, None]:
        """The name may be a chain, with commas: each is there for when those before it cannot answer."""
        return closable(self._model.stream(request))

    @property
    def default(self) -> str:
        """For who names no model."""
        return ",".join(self._settings.default)

    def chain(self, names: str) -> Fallback:
        """Raises UnknownModel for any of them, at once: the last one would be missed when it is needed."""
        models = [(name, self._model_of(name)) for name in map(str.strip, names.split(",")) if name]
        if not models:
            raise UnknownModel(f"{names!r} names no model: write one as provider/name, or {LOCAL}.")
        settings = self._settings
        return Fallback(models, Patience(settings.attempts, settings.give_up))

    def _model_of(self, name: str) -> Model:
        provider = provider_in(name, {*self._providers, *self._beside})
        return self._beside.get(provider) or Provided(self, self._providers[provider])

    async def opened(self, offered: Offered) -> Model:
        async with self._opening:
            if offered.name not in self._open:
                adapter = await self._adapter(offered)
                self._adapters.append(adapter)
                watched = self._around(Watched(adapter, offered.name))
                self._open[offered.name] = Limited(watched, offered.name, offered.limits(self._settings))
            return self._open[offered.name]

    async def _adapter(self, offered: Offered) -> Adapter:
        if offered.name == LOCAL and offered.base_url is None:
            return local_model(self._settings.local)
        # In a thread: the SDKs take seconds to import, and a host that is silent for so long loses its lease.
        return await asyncio.to_thread(adapter_of, offered, offered.opened(self._secrets))

    async def close(self) -> None:
        while self._adapters:
            await self._adapters.pop().close()
        self._open.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class Routed:
    def __init__(self, models: Models) -> None:
        self._models = models

    def stream(self, request: ModelRequest) -> AsyncIterator[Piece | ModelReply]:
        return self._models.chain(request.model).stream(request)


class Provided:
    """A provider's model. Opened when it is asked: that its key is missing must lead to the next of the chain."""

    def __init__(self, models: Models, offered: Offered) -> None:
        self._models = models
        self._offered = offered

    async def stream(self, request: ModelRequest) -> AsyncIterator[Piece | ModelReply]:
        model = await self._models.opened(self._offered)
        async with aclosing(closable(model.stream(request))) as said:
            async for part in said:
                yield part


def adapter_of(offered: Offered, provider: Provider) -> Adapter:
    match offered.protocol:
        case "openai-chat":
            from ..activities.models.openai_chat import OpenAIChat

            return OpenAIChat(provider)
        case "openai-responses":
            from ..activities.models.openai_responses import OpenAIResponses

            return OpenAIResponses(provider)
        case "anthropic":
            from ..activities.models.anthropic import Anthropic

            return Anthropic(provider)
