"""A Ray head on loopback only, behind a token: whoever can reach a Ray cluster can run code on it."""

import asyncio
import secrets
import shutil
import signal
import sys
from datetime import timedelta
from importlib import metadata
from pathlib import Path

from ...ray_link import environment
from ..paths import StackPaths
from ..ports import LOOPBACK
from ..process import Command
from ..service import Service, Unwell

OBJECT_STORE_BYTES = 100_000_000  # we pass messages, not objects; Ray's default is 30 % of the memory


class RayService(Service):
    name = "ray"
    patience = timedelta(seconds=45)

    def __init__(self, paths: StackPaths, port: int) -> None:
        self.port = port
        self.address = f"{LOOPBACK}:{port}"
        self.temp = paths.sockets / "ray"
        self.token = _token(paths.ray_token)
        super().__init__(paths, endpoint=self.address, version=metadata.version("ray"))

    async def prepare(self) -> None:
        # Sessions of earlier lives: nothing durable is in them, and Ray never removes them.
        await asyncio.to_thread(shutil.rmtree, self.temp, ignore_errors=True)

    def command(self) -> Command:
        options = {
            "node-ip-address": LOOPBACK,
            "port": self.port,
            "temp-dir": self.temp,
            "object-store-memory": OBJECT_STORE_BYTES,
            "include-dashboard": "false",
            "include-log-monitor": "false",
            # Any free port: the defaults of two heads on one machine collide.
            "dashboard-agent-listen-port": 0,
            "min-worker-port": 0,
            "max-worker-port": 0,
        }
        flags = [f"--{name}={value}" for name, value in options.items()]
        return Command(
            [
                sys.executable,
                "-m",
                "ray.scripts.scripts",
                "start",
                "--head",
                "--block",
                "--disable-usage-stats",
                "--no-monitor",  # it would ask clouds for machines; half a second of a processor at each start
                *flags,
            ],
            # Without its GCS this one-node cluster is lost: give up after 15 s, not 60, and be started again.
            env={**environment(self.token, loopback=True), "RAY_gcs_rpc_server_reconnect_timeout_s": "15"},
            # Not SIGKILL: `ray start` takes its grandchildren along only when it may say goodbye.
            with_parent=signal.SIGTERM,
        )

    async def probe(self) -> None:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(LOOPBACK, self.port), 3)
        except (OSError, TimeoutError):
            raise Unwell(f"nothing answers on {self.address}") from None
        writer.close()
        # The raylet's socket appears when the node has registered with the head.
        if not any((self.temp / "session_latest" / "sockets").glob("raylet*")):
            raise Unwell("the raylet has not started yet")


def _token(path: Path) -> str:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path.read_text()
