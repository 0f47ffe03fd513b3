"""Is there a Docker engine? Asked over its socket, without a client library."""

import http
import http.client
import json
import os
import socket
from typing import Any

from .finding import Finding, ok, warning

PATIENCE_SECONDS = 3
REMEDY = (
    "Without an engine, sandboxes use bubblewrap. For containers install one (Debian: apt-get install docker.io), "
    "start it, and let this user reach its socket."
)


class _Engine(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE_SECONDS)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE_SECONDS)
        self.sock.connect(self.path)


def check() -> list[Finding]:
    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if not host.startswith("unix://"):
        return [ok("docker", f"engine at {host} (not asked: only sockets are)")]
    path = host.removeprefix("unix://")
    try:
        version, info = _ask(path, "/version"), _ask(path, "/info")
    except PermissionError:
        return [warning("docker", f"{path} may not be opened by this user", REMEDY)]
    except (OSError, ValueError, http.client.HTTPException) as error:
        return [warning("docker", f"no engine answers at {path} ({error})", REMEDY)]
    runtimes = ", ".join(sorted(info.get("Runtimes") or {})) or "unknown"
    return [ok("docker", f"engine {version.get('Version', '?')}, runtimes: {runtimes}")]


def _ask(path: str, what: str) -> dict[str, Any]:
    engine = _Engine(path)
    try:
        engine.request("GET", what)
        response = engine.getresponse()
        if response.status != http.HTTPStatus.OK:
            raise ValueError(f"{what} is answered with {response.status}")
        answer = json.loads(response.read())
    finally:
        engine.close()
    if not isinstance(answer, dict):
        raise ValueError("an answer that is no object")
    return answer
