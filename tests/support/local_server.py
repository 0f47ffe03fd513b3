"""A model server of a test's own: the very process that a stack starts, with the bundled weights."""

import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import psutil
from resprout.runtime.local_model import serving_of
from resprout.runtime.model_server import Serving
from resprout.runtime.model_settings import LocalModelSettings

from .ports import free_port
from .stack import clean_environment, eventually


def bundled(**changes: Any) -> Serving:
    serving = serving_of(LocalModelSettings(port=free_port()))
    assert serving is not None
    return replace(serving, **changes)


class ModelServer:
    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self.url = f"http://127.0.0.1:{serving.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.terminate()
        self.process.wait(90)

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "resprout.runtime.model_server", self.serving.text()],
            env=clean_environment(),
            stderr=subprocess.DEVNULL,
        )
        eventually(self.listens, "the model server listens")

    def listens(self) -> bool:
        assert self.process.poll() is None, "the model server ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.serving.port)) == 0

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def resident_bytes(self) -> int:
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def cpu_seconds(self) -> float:
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)
