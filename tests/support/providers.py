"""Two providers of models for a stack, one of each protocol: what a model says is scripted by its name, and counted.

They live in a thread of the test, so that no kill of the stack's processes ends them.
"""

import asyncio
import json
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from .anthropic_server import AnthropicDialect
from .model_server import Dialect, Heard, ModelServer, Turn
from .openai_server import OpenAIDialect

Says = Callable[[Heard, int], Turn]  # by the position in the conversation

PRICES = """
["scripted/small"]  # its window is soon full
input = 1
output = 2
window = 2_000
dated = 2026-01-01
source = "this test"

["scripted/priced"]
input = 10
output = 50
dated = 2026-01-01
source = "this test"
"""


class Providers:
    """`scripted/NAME` speaks OpenAI's protocol, `claude/NAME` Anthropic's."""

    def __init__(self, directory: Path) -> None:
        self._journal = directory / "models.jsonl"
        self._prices = directory / "prices.toml"
        self._scripts: dict[str, Says] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._servers: dict[str, ModelServer] = {}
        self._open = AsyncExitStack()

    def __enter__(self) -> Self:
        self._prices.write_text(PRICES)
        self._thread.start()
        self._wait(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._wait(self._open.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "RESPROUT_MODELS_PROVIDERS_SCRIPTED_BASE_URL": f"{self._servers['scripted'].url}/v1",
            "RESPROUT_MODELS_PROVIDERS_CLAUDE_BASE_URL": self._servers["claude"].url,
            "RESPROUT_MODELS_PROVIDERS_CLAUDE_PROTOCOL": "anthropic",
            "RESPROUT_MODELS_PRICES": str(self._prices),
        }

    def will(self, *turns: Turn, provider: str = "scripted", name: str | None = None) -> str:
        """The name of a model that says this, one after the other; the last one again and again."""
        return self.follows(lambda _, position: turns[min(position, len(turns) - 1)], provider=provider, name=name)

    def follows(self, says: Says, *, provider: str = "scripted", name: str | None = None) -> str:
        name = name or f"m-{uuid4().hex[:8]}"
        self._scripts[name] = says
        return f"{provider}/{name}"

    def heard(self, model: str) -> list[dict[str, Any]]:
        """What the model was asked, as its provider has written it down: also what nobody waited for in the end."""
        if not self._journal.exists():
            return []
        calls = [json.loads(line)["body"] for line in self._journal.read_text().splitlines()]
        return [call for call in calls if call["model"] == model.partition("/")[2]]

    def positions(self, model: str) -> list[int]:
        """How far the conversation was at each of its calls."""
        dialect = self._servers[model.partition("/")[0]].dialect
        return [dialect.position(body) for body in self.heard(model)]

    async def _listen(self) -> None:
        dialects: dict[str, Dialect] = {"scripted": OpenAIDialect(), "claude": AnthropicDialect()}
        for name, dialect in dialects.items():
            server = ModelServer(dialect, self._script_of(dialect), self._journal)
            self._servers[name] = await self._open.enter_async_context(server.listening())

    def _script_of(self, dialect: Dialect) -> Says:
        return lambda heard, _: self._scripts[heard.body["model"]](heard, dialect.position(heard.body))

    def _wait(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)
