"""The bundled model, one for all processes of the stack. It loads its weights when it is asked for the first time."""

import sys
from datetime import timedelta

from ...model_server import Serving
from ..paths import StackPaths
from ..ports import LOOPBACK
from ..process import Command
from .ours import OurService


class ModelServerService(OurService):
    name = "model-server"

    def __init__(self, paths: StackPaths, serving: Serving) -> None:
        self.serving = serving
        self.url = f"http://{LOOPBACK}:{serving.port}"
        super().__init__(paths, self.name, [], after=(), env={}, endpoint=self.url)
        self.version = serving.name

    def command(self) -> Command:
        """Past the CLI, whose imports alone would cost more than this process does until it is asked."""
        return Command(
            [sys.executable, "-m", "resprout.runtime.model_server", self.serving.text()],
            env={"NOTIFY_SOCKET": str(self.ear)},
            patience=timedelta(seconds=5),
        )
