"""A stack of its own for a benchmark, with the agents that are measured."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

RESPROUT = [sys.executable, "-m", "resprout.runtime.cli"]


class Stack:
    def __init__(self, data_dir: Path, environment: Mapping[str, str]) -> None:
        self.data_dir = data_dir
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RESPROUT_")},
            "RESPROUT_DATA_DIR": str(data_dir),
            "RESPROUT_AGENTS_MODULES": "measuring.agents",
            "RESPROUT_AGENTS_PATH": str(Path(__file__).parent.parent),
            **environment,
        }

    def __call__(self, *words: str) -> str:
        done = subprocess.run([*RESPROUT, *words], env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 3):
            raise SystemExit(f"`resprout {' '.join(words)}` failed: {done.stdout}{done.stderr}")
        return done.stdout

    def join(self, hosts: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [*RESPROUT, "join", "--hosts", str(hosts)], env=self.environment, stderr=subprocess.DEVNULL
        )

    def services(self) -> dict[str, Any]:
        return {service["name"]: service for service in json.loads(self("status", "--json"))["services"]}


@contextmanager
def running(environment: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """With these settings, as variables."""
    directory = Path(tempfile.mkdtemp(prefix="resprout-bench-"))
    directory.chmod(0o711)
    stack = Stack(directory / "data", environment or {})
    try:
        stack("up", "--detach")
        yield stack
    finally:
        stack("down")
        shutil.rmtree(directory)
