"""The one Ray class: a host process, in which agents live.

Ray places hosts and starts them again; it gives them no identity and no order. A call carries many envelopes and
is never retried by Ray: a message that must come again comes again with its id.
"""

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from ..actors.envelope import ENVELOPES, OUTCOMES
from ..memory.database import Database
from ..memory.turns import Turns
from .activations import Activations
from .agent_modules import import_agents
from .settings import Settings
from .telemetry import configure_logs, configure_traces, serve_metrics

HOST_PREFIX = "resprout-host/"


class Host:
    def __init__(self, name: str, settings: dict[str, Any], log_file: str | None) -> None:
        """`log_file` is for a host of an embedded stack; elsewhere Ray keeps what a host writes."""
        self.name = name
        self.settings = Settings(**settings)
        self.opening = asyncio.Lock()
        self.activations: Activations | None = None
        log = Path(log_file).open("a", buffering=1) if log_file else None  # noqa: SIM115 - open as long as we live
        configure_logs(self.settings.telemetry, "host", stream=log)
        configure_traces(self.settings.telemetry, "host")
        import_agents(self.settings.agents)
        self.metrics = serve_metrics(0)

    async def deliver(self, envelopes: bytes) -> bytes:
        activations = await self._open()
        batch = ENVELOPES.validate_json(envelopes)
        return OUTCOMES.dump_json(list(await asyncio.gather(*map(activations.deliver, batch))))

    async def describe(self) -> dict[str, Any]:
        """Answers only when the host can work: its database is open."""
        await self._open()
        return {
            "name": self.name,
            "pid": os.getpid(),
            "metrics": self.metrics.url,
        }

    async def drain(self, seconds: float) -> bool:
        """Whether every turn in flight ended in time. What did not is tried again elsewhere."""
        return self.activations is None or await self.activations.drain(timedelta(seconds=seconds))

    async def _open(self) -> Activations:
        async with self.opening:
            if self.activations is None:
                assert self.settings.postgres.dsn is not None
                database = await Database.open(
                    self.settings.postgres.dsn.get_secret_value(),
                    pool_size=self.settings.postgres.pool_size,
                    application_name=f"resprout {self.name}",
                )
                self.activations = Activations(Turns(database))
            return self.activations
